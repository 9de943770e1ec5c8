"""apps: the tenants. Every other row belongs to one of them.

The row is also the lock and the counter of the stream of everyone, so that `all_seq` grows in commit order.
"""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Integer, UniqueConstraint
from sqlmodel import Field

from shared.models.base import Base
from shared.models.types import TABLE_OPTIONS, AsciiText, JsonText, UtcDateTime


class App(Base, table=True):
    """An isolated tenant. `epoch` changes when a restored database may have lost numbers that clients have seen.
    `caps`: how often a user may get something, a JSON list."""

    __tablename__ = "apps"
    __table_args__: ClassVar = (UniqueConstraint("name"), TABLE_OPTIONS)

    id: int | None = Field(default=None, primary_key=True, sa_type=Integer)
    name: str = Field(max_length=40)
    epoch: str = Field(sa_type=AsciiText(16))
    all_seq: int = Field(default=0, sa_type=BigInteger)
    created_at: datetime = Field(sa_type=UtcDateTime)
    caps: str | None = Field(default=None, sa_type=JsonText)
