"""connection_logs: which connections users had, from when to when, and how each ended."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from shared.models.base import Base
from shared.models.types import TABLE_OPTIONS, AsciiText, BigId, UtcDateTime

OPEN = text("closed_at IS NULL")


class ConnectionLog(Base, table=True):
    """One connection of one user, by its name on its node. Open as long as `closed_at` is NULL; `code` is that of the
    close (RFC 6455 section 7.4), `duration` milliseconds, `sign_in` the way the credential came, `address` NULL unless
    a setting says so. No foreign key, as on deliveries; `id` is in no order that means anything."""

    __tablename__ = "connection_logs"
    __table_args__: ClassVar = (
        Index("ix_connection_logs_user_id", "user_id", "opened_at", "id"),
        Index("ix_connection_logs_closed_at", "closed_at"),
        Index("ix_connection_logs_node", "node", postgresql_where=OPEN, sqlite_where=OPEN),
        TABLE_OPTIONS,
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    connection: str = Field(unique=True, sa_type=AsciiText(48))
    user_id: int = Field(sa_type=BigInteger)
    node: str = Field(sa_type=AsciiText(32))
    opened_at: datetime = Field(sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    code: int | None = Field(default=None)
    reason: str | None = Field(default=None, max_length=123)
    duration: int | None = Field(default=None, sa_type=BigInteger)
    sign_in: str = Field(max_length=16)
    dialect: str = Field(max_length=16)
    address: str | None = Field(default=None, max_length=45)
