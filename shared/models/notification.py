"""notifications and pages: what was asked to be delivered, and the parts of an audience too big for one transaction.

No foreign keys on these and on deliveries: each would be one more lookup and one more lock per row on the hottest path,
and the rows they would point to are never deleted.
"""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Index, Integer, text
from sqlmodel import Field

from shared.models.base import Base
from shared.models.types import TABLE_OPTIONS, JsonText, UtcDateTime, UuidText

RARE = "status <> 'sent' AND status <> 'sending'"
"""States in which few notifications are, as a condition that SQLite takes for an index as well. What is usual costs no
entry."""


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the few rows that matter; MariaDB has none such and indexes all."""
    return Index(name, *columns, unique=unique, postgresql_where=text(where), sqlite_where=text(where))


class Notification(Base, table=True):
    """One accepted notification; immutable but for its state and times. `audience` is what of it is not names, as
    shared.store.audiences writes it; NULL if it is all names, or everyone. While it is scheduled it is all of it.

    `send_at` and `local_at` are as in shared.protocol.journal.Entry. `due_at`: when it is looked at next; NULL unless
    it is scheduled. Cancelled, and not over (`expired_at`): its deliveries are still being taken back.
    """

    __tablename__ = "notifications"
    __table_args__: ClassVar = (
        _partial("uq_notifications_all_seq", "app_id", "all_seq", where="all_seq IS NOT NULL", unique=True),
        _partial(
            "ix_notifications_everyone", "app_id", "everyone", "expires_at", where="all_seq IS NOT NULL"
        ),
        _partial(
            "ix_notifications_unpublished",
            "published_at",
            "due_at",
            "stored_at",
            where="published_at IS NULL AND due_at IS NULL",
        ),
        _partial("ix_notifications_expiring", "expired_at", "expires_at", where="expired_at IS NULL"),
        _partial("ix_notifications_over", "expired_at", where="expired_at IS NOT NULL"),
        _partial("ix_notifications_failed", "app_id", "failed_at", where="failed_at IS NOT NULL"),
        _partial("ix_notifications_due", "due_at", where="due_at IS NOT NULL"),
        *(
            _partial(f"ix_notifications_{key}", "app_id", key, "id", where=f"{key} IS NOT NULL")
            for key in ("collapse_key", "cancel_key", "thread_key")
        ),
        Index("ix_notifications_listed", "app_id", "id"),
        _partial("ix_notifications_rare", "app_id", "status", "id", where=RARE),
        _partial(
            "ix_notifications_cancelled",
            "cancelled_at",
            where="cancelled_at IS NOT NULL AND expired_at IS NULL",
        ),
        TABLE_OPTIONS,
    )

    id: str = Field(primary_key=True, sa_type=UuidText)
    app_id: int
    event: str = Field(max_length=100)
    data: str = Field(sa_type=JsonText)
    priority: str = Field(max_length=8)
    everyone: bool = Field(default=False)
    all_seq: int | None = Field(default=None, sa_type=BigInteger)
    excluded: str | None = Field(default=None, sa_type=JsonText)
    recipients: int = Field(default=0, sa_type=Integer)
    status: str = Field(max_length=10)
    ttl: int = Field(sa_type=Integer)
    accepted_at: datetime = Field(sa_type=UtcDateTime)
    stored_at: datetime = Field(sa_type=UtcDateTime)
    published_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    expired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    cancelled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    rescued_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str | None = Field(default=None, sa_type=JsonText)
    attempts: int = Field(default=0)
    next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    sender: str = Field(max_length=140)
    request_id: str = Field(max_length=64)
    collapse_key: str | None = Field(default=None, max_length=128)
    cancel_key: str | None = Field(default=None, max_length=128)
    thread_key: str | None = Field(default=None, max_length=128)
    tags: str = Field(default="[]", sa_type=JsonText)
    audience: str | None = Field(default=None, sa_type=JsonText)
    send_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    local_at: str | None = Field(default=None, max_length=19)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Page(Base, table=True):
    """Up to 1,000 receivers of one notification. `names` goes when the page is published: until then a second run
    finds by it the rows of the first. `attempts` counts how often the reconciler brought it, `failures` how often it
    could not be stored; with `failed_at` it is given up and keeps its names, so that it can still be sent."""

    __tablename__ = "pages"
    __table_args__: ClassVar = (
        _partial("ix_pages_unpublished", "published_at", "created_at", where="published_at IS NULL"),
        TABLE_OPTIONS,
    )

    notification_id: str = Field(primary_key=True, sa_type=UuidText)
    number: int = Field(primary_key=True, sa_type=Integer, sa_column_kwargs={"autoincrement": False})
    names: str | None = Field(default=None, sa_type=JsonText)
    first_user: int | None = Field(default=None, sa_type=BigInteger)
    last_user: int | None = Field(default=None, sa_type=BigInteger)
    created_at: datetime = Field(sa_type=UtcDateTime)
    stored_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    published_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempts: int = Field(default=0)
    next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failures: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    error: str | None = Field(default=None, sa_type=JsonText)
    failed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
