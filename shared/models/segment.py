"""segments: saved rules by which an audience is chosen."""

from datetime import datetime
from typing import ClassVar

from sqlmodel import Field

from shared.models.base import Base
from shared.models.types import TABLE_OPTIONS, JsonText, NameText, UtcDateTime


class Segment(Base, table=True):
    """A rule over what is known of users, as JSON text (shared.domain.segment_rules). Who is in it is not kept: the
    users are asked when it is used."""

    __tablename__ = "segments"
    __table_args__: ClassVar = (TABLE_OPTIONS,)

    app_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str = Field(primary_key=True, sa_type=NameText)
    rule: str = Field(sa_type=JsonText)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
