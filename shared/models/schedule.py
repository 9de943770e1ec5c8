"""schedules, and schedule_runs: what became of their instants.

A run is there before anything is sent, and its key is what makes an instant fire once: whoever comes second finds it.
"""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Index, Integer, UniqueConstraint, text
from sqlmodel import Field

from shared.models.base import Base
from shared.models.types import TABLE_OPTIONS, AsciiText, JsonText, UtcDateTime, UuidText

_DUE = text("next_at IS NOT NULL")
_UNENTERED = text("entered_at IS NULL")


class Schedule(Base, table=True):
    """A recurring notification: `notification` is what was asked for, `entry` the journal entry made of it.

    `next_at`: the instant at which it fires next; NULL while it is paused, and when it is over. `skip_at`: the one that
    is left out. `request_key` and `request_print` recognise the request that made it if it comes again.
    """

    __tablename__ = "schedules"
    __table_args__: ClassVar = (
        UniqueConstraint("app_id", "request_key"),
        Index("ix_schedules_app_id", "app_id", "id"),
        Index("ix_schedules_next_at", "next_at", postgresql_where=_DUE, sqlite_where=_DUE),
        TABLE_OPTIONS,
    )

    id: str = Field(primary_key=True, sa_type=UuidText)
    app_id: int
    name: str | None = Field(default=None, max_length=100)
    cron: str | None = Field(default=None, max_length=120)
    every: int | None = Field(default=None, sa_type=Integer)
    timezone: str = Field(max_length=64)
    start_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    end_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    catch_up: str = Field(max_length=4)
    notification: str = Field(sa_type=JsonText)
    entry: str = Field(sa_type=JsonText)
    sender: str = Field(max_length=140)
    next_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    skip_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    paused_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    request_key: str | None = Field(default=None, sa_type=AsciiText(64))
    request_print: str | None = Field(default=None, sa_type=AsciiText(64))


class ScheduleRun(Base, table=True):
    """What became of one instant. `entered_at`: when the notification was in the journal, or that there is none to
    come; NULL until then. `since`: with reason `skipped`, the first of the instants that were left out up to this one.
    """

    __tablename__ = "schedule_runs"
    __table_args__: ClassVar = (
        UniqueConstraint("notification_id"),
        UniqueConstraint("schedule_id", "request_key"),
        Index(
            "ix_schedule_runs_unentered",
            "entered_at",
            "created_at",
            postgresql_where=_UNENTERED,
            sqlite_where=_UNENTERED,
        ),
        Index("ix_schedule_runs_created_at", "created_at"),
        TABLE_OPTIONS,
    )

    schedule_id: str = Field(primary_key=True, sa_type=UuidText)
    fire_at: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    notification_id: str | None = Field(default=None, sa_type=UuidText)
    reason: str = Field(max_length=8)
    since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    request_key: str | None = Field(default=None, sa_type=AsciiText(64))
    created_at: datetime = Field(sa_type=UtcDateTime)
    entered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
