"""accounts, sessions and refresh_tokens: who signs in with a password, from where, and with what they stay.

No foreign keys, as on deliveries: rows of users are never deleted, and a session goes with its tokens.
"""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field

from shared.models.base import Base
from shared.models.types import TABLE_OPTIONS, AsciiText, UtcDateTime, UuidText


class Account(Base, table=True):
    """A user's password, as argon2 writes it (RFC 9106); the user goes by the same name."""

    __tablename__ = "accounts"
    __table_args__: ClassVar = (UniqueConstraint("app_id", "username"), TABLE_OPTIONS)

    user_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    app_id: int
    username: str = Field(max_length=128)
    hash: str = Field(max_length=255)
    created_at: datetime = Field(sa_type=UtcDateTime)
    changed_at: datetime = Field(sa_type=UtcDateTime)


class SignedIn(Base, table=True):
    """A session: one sign-in, the family of the refresh tokens that follow each other. `client` is a digest."""

    __tablename__ = "sessions"
    __table_args__: ClassVar = (
        Index("ix_sessions_user_id", "user_id"),
        Index("ix_sessions_last_used_at", "last_used_at"),
        Index(
            "ix_sessions_revoked_at",
            "revoked_at",
            postgresql_where=text("revoked_at IS NOT NULL"),
            sqlite_where=text("revoked_at IS NOT NULL"),
        ),
        TABLE_OPTIONS,
    )

    id: str = Field(primary_key=True, sa_type=UuidText)
    app_id: int
    user_id: int = Field(sa_type=BigInteger)
    agent: str = Field(max_length=120)
    client: str = Field(sa_type=AsciiText(64))
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_used_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RefreshToken(Base, table=True):
    """One token of a family, by the SHA-256 of its secret. Used: `used_at`, and the token that took its place."""

    __tablename__ = "refresh_tokens"
    __table_args__: ClassVar = (
        Index("ix_refresh_tokens_session_id", "session_id"),
        Index("ix_refresh_tokens_used_at", "used_at"),
        TABLE_OPTIONS,
    )

    hash: str = Field(primary_key=True, sa_type=AsciiText(64))
    session_id: str = Field(sa_type=UuidText)
    created_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    successor: str | None = Field(default=None, sa_type=AsciiText(64))
