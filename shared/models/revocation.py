"""revocations: what was decided about who may come in, and Redis was not told yet.

A row is written with the decision, in its transaction, and goes when Redis has it: so it gets there whatever fails.
"""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger
from sqlmodel import Field

from shared.models.base import Base
from shared.models.types import TABLE_OPTIONS, BigId, UtcDateTime, UuidText


class Revocation(Base, table=True):
    """One decision. With a `session_id` that session has ended; else it is about the user called `name` as a whole.

    `decided` is the number of that decision (users.decided), `before` the epoch milliseconds before which no token may
    have been issued, `erased` that also what Redis has of the user is to be forgotten.
    """

    __tablename__ = "revocations"
    # Numbers do not come again: who takes out what was told must not take out another one.
    __table_args__: ClassVar = ({**TABLE_OPTIONS, "sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigId)
    app_id: int
    name: str = Field(max_length=128)
    session_id: str | None = Field(default=None, sa_type=UuidText)
    decided: int = Field(default=0, sa_type=BigInteger)
    before: int | None = Field(default=None, sa_type=BigInteger)
    disabled: bool = Field(default=False)
    erased: bool = Field(default=False)
    created_at: datetime = Field(sa_type=UtcDateTime)
