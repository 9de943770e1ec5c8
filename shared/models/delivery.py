"""deliveries: one notification for one user, the unit of status and of the inbox."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field

from shared.models.base import Base
from shared.models.types import TABLE_OPTIONS, UtcDateTime, UuidText


class Delivery(Base, table=True):
    """`seq` is the place in the user's stream; NULL on what never entered it, and on rows of a notification to
    everyone, which are made only when the user marks it. `rev` is the user's rev of the last change.

    `held_until`: while it is held, when it is released; afterwards until it is published, and then NULL. `released_at`:
    when it was. `replaces`: the older notification of the same collapse key that this one took the place of.
    """

    __tablename__ = "deliveries"
    # A delivery is changed about twice (acked, read): room in the page keeps both changes out of the indexes.
    __table_args__: ClassVar = (
        UniqueConstraint("user_id", "seq"),
        Index(
            "ix_deliveries_held",
            "held_until",
            postgresql_where=text("held_until IS NOT NULL"),
            sqlite_where=text("held_until IS NOT NULL"),
        ),
        {**TABLE_OPTIONS, "postgresql_with": {"fillfactor": 85}},
    )

    notification_id: str = Field(primary_key=True, sa_type=UuidText)
    user_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    seq: int | None = Field(default=None, sa_type=BigInteger)
    state: str = Field(default="pending", max_length=10)
    reason: str | None = Field(default=None, max_length=60)
    rev: int = Field(sa_type=BigInteger)
    push_due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    held_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    delivered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    read_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    archived_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    snoozed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    released_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    replaces: str | None = Field(default=None, sa_type=UuidText)
