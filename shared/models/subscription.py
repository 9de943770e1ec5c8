"""subscriptions: which users follow which topics."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from shared.models.base import Base
from shared.models.types import TABLE_OPTIONS, TopicText, UtcDateTime


class Subscription(Base, table=True):
    """One user's subscription to a topic or to all below it. Its key is the order in which an audience is read; no
    foreign keys, as on deliveries: the rows they would point to are never deleted."""

    __tablename__ = "subscriptions"
    __table_args__: ClassVar = (Index("ix_subscriptions_user_id", "user_id"), TABLE_OPTIONS)

    app_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    pattern: str = Field(primary_key=True, sa_type=TopicText)
    user_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    created_at: datetime = Field(sa_type=UtcDateTime)
