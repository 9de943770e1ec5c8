"""allowances: what of the frequency caps a user has taken."""

from typing import ClassVar

from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from shared.models.base import Base
from shared.models.types import TABLE_OPTIONS, AsciiText


class Allowance(Base, table=True):
    """One user and one cap (`cap` is its key, shared.domain.caps). A row whose `tat` (epoch microseconds) is past says
    what no row says. No foreign keys, as on deliveries; under the lock of the user's stream."""

    __tablename__ = "allowances"
    __table_args__: ClassVar = (Index("ix_allowances_tat", "tat"), TABLE_OPTIONS)

    user_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    cap: str = Field(primary_key=True, sa_type=AsciiText(16))
    tat: int = Field(sa_type=BigInteger)
