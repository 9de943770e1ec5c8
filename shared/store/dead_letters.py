"""Dead letters: notifications that could not be stored in all their attempts, and what is needed to send one again."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.domain.notification import Status
from shared.models import tables as t
from shared.protocol.journal import Entry
from shared.store import entries
from shared.store.notifications import NotificationRow

_N = t.notifications.c


class DeadRow(NamedTuple):
    """A failed notification. `event` is empty where the row could not hold what was sent: the dead list has it."""

    id: str
    event: str
    priority: str
    everyone: bool
    recipients: int
    accepted_at: datetime
    failed_at: datetime | None
    error: str | None
    attempts: int
    sender: str
    request_id: str


def page(session: Session, app_id: int, *, before: str | None = None, limit: int = 50) -> list[DeadRow]:
    """Failed notifications of an app, the newest accepted first, those accepted before the id `before`."""
    statement = (
        select(*(_N[name] for name in DeadRow._fields))
        # failed_at is what the index holds; a retried one that got through keeps it, and is none any more.
        .where(_N.app_id == app_id, _N.failed_at.is_not(None), _N.status == Status.FAILED)
        .order_by(_N.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(_N.id < before)
    return [DeadRow(*row) for row in session.execute(statement)]


def entry_of(session: Session, app: str, row: NotificationRow) -> Entry:
    """The journal entry that a failed row was made of. If it was scheduled it goes at once."""
    return entries.entry_of(row, app, entries.names_of(session, [row.id]).get(row.id, ()))
