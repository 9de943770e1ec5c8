"""users and streams: who receives, and how far each one's stream has come.

Two tables, because a stream row changes with every notification and a user row hardly ever. A stream row is the lock
under which everything of its user changes; it is made with the user and never deleted, so that no number comes twice.
"""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field

from shared.models.base import Base
from shared.models.types import TABLE_OPTIONS, AsciiText, BigId, JsonText, UtcDateTime


class User(Base, table=True):
    """A receiver, named by the sender's own id. Erased: `name` is NULL and `name_hash` finds the row again.

    `decided` is the number of the last decision on whether to let the user in: epoch milliseconds that grow with each.
    No token counts that was issued before `revoked_before`, the same. Both stay when the user is erased.
    """

    __tablename__ = "users"
    __table_args__: ClassVar = (
        UniqueConstraint("app_id", "name"),
        UniqueConstraint("app_id", "name_hash"),
        Index(
            "ix_users_app_id_disabled_at",
            "app_id",
            "disabled_at",
            postgresql_where=text("disabled_at IS NOT NULL"),
            sqlite_where=text("disabled_at IS NOT NULL"),
        ),
        Index(
            "ix_users_app_id_revoked_before",
            "app_id",
            "revoked_before",
            postgresql_where=text("revoked_before IS NOT NULL"),
            sqlite_where=text("revoked_before IS NOT NULL"),
        ),
        TABLE_OPTIONS,
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    app_id: int = Field(foreign_key="apps.id")
    name: str | None = Field(default=None, max_length=128)
    name_hash: str = Field(sa_type=AsciiText(64))
    attributes: str = Field(default="{}", sa_type=JsonText)
    locale: str | None = Field(default=None, max_length=35)
    timezone: str | None = Field(default=None, max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    erased_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    decided: int | None = Field(default=None, sa_type=BigInteger)
    revoked_before: int | None = Field(default=None, sa_type=BigInteger)


class Stream(Base, table=True):
    """Numbers of one user's own stream `me`, and the lock of the user.

    `rev` grows by one with each transaction that changes anything of the user. The four counters are of the user's own
    deliveries; archived ones are neither unseen nor unread. `erased` repeats users.erased_at where the lock is, so that
    a transaction that looked the name up before an erasure notices when it has the lock.
    """

    __tablename__ = "streams"
    # Room in each page lets PostgreSQL update the hot row in place, without touching the index.
    __table_args__: ClassVar = ({**TABLE_OPTIONS, "postgresql_with": {"fillfactor": 80}},)

    user_id: int = Field(
        primary_key=True, foreign_key="users.id", sa_type=BigId, sa_column_kwargs={"autoincrement": False}
    )
    last_seq: int = Field(default=0, sa_type=BigInteger)
    acked: int = Field(default=0, sa_type=BigInteger)
    all_acked: int = Field(default=0, sa_type=BigInteger)
    rev: int = Field(default=0, sa_type=BigInteger)
    total: int = Field(default=0)
    unseen: int = Field(default=0)
    unread: int = Field(default=0)
    archived: int = Field(default=0)
    erased: bool = Field(default=False)
