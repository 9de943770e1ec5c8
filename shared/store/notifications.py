"""notifications: what became of one, for the sender who follows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.clock import to_ms
from shared.domain.delivery import SENT, State
from shared.domain.notification import Status, shown
from shared.ids import is_uuid7
from shared.models import tables as t
from shared.store import audiences, tallies
from shared.store.rows import chunks
from shared.store.tallies import Counted

_N, _P = t.notifications.c, t.pages.c


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """A stored notification; `data`, `tags` and `audience` are JSON text."""

    id: str
    app_id: int
    event: str
    data: str
    priority: str
    everyone: bool
    all_seq: int | None
    excluded: str | None
    recipients: int
    status: str
    ttl: int
    accepted_at: datetime
    stored_at: datetime
    published_at: datetime | None
    expires_at: datetime
    cancelled_at: datetime | None
    failed_at: datetime | None
    rescued_at: datetime | None
    error: str | None
    attempts: int
    sender: str
    request_id: str
    collapse_key: str | None
    cancel_key: str | None
    thread_key: str | None
    tags: str
    audience: str | None
    send_at: datetime | None
    local_at: str | None


COLUMNS: Final = tuple(_N[name] for name in NotificationRow.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Hop:
    """One line of a timeline."""

    at: datetime
    hop: str
    reason: str | None = None


class Size(NamedTuple):
    """Whose a notification is, and how many receivers it has."""

    app: str
    sender: str
    recipients: int


def find(session: Session, app_id: int, id: str) -> NotificationRow | None:
    """The notification of this app with that id."""
    if not is_uuid7(id):
        return None
    row = session.execute(select(*COLUMNS).where(_N.id == id, _N.app_id == app_id)).first()
    return NotificationRow(*row) if row else None


def open_sizes(session: Session, ids: Sequence[str]) -> dict[str, Size]:
    """Those of these that are not for named users alone."""
    found: dict[str, Size] = {}
    for part in chunks(ids):
        rows = session.execute(
            select(_N.id, t.apps.c.name, _N.sender, _N.recipients)
            .join(t.apps, t.apps.c.id == _N.app_id)
            .where(_N.id.in_(part), _N.audience.is_not(None), _N.everyone.is_(False))
        )
        found |= {id: Size(*size) for id, *size in rows}
    return found


def counts(session: Session, row: NotificationRow, counted: Counted | None = None) -> dict[str, int]:
    """How many deliveries are in each state, as senders are told; states without any are left out.

    `counted` is what shared.store.tallies counted before; without it each delivery is read.
    """
    counted = counted or tallies.count(session, [row])[row.id]
    found = dict(counted.states)
    if not row.everyone:
        rest = max(row.recipients - sum(found.values()), 0)
        if row.published_at is not None and State.PENDING in found:
            found[SENT] = found.pop(State.PENDING)
        # Receivers whose page is not stored have no row, and those of what failed whole have none either.
        if row.status == Status.CANCELLED:
            found[State.CANCELLED] = found.get(State.CANCELLED, 0) + rest
        elif row.status == Status.FAILED:
            found[State.FAILED] = found.get(State.FAILED, 0) + (_given_up(session, row.id) or rest)
        elif row.published_at is None:
            found[State.PENDING] = found.get(State.PENDING, 0) + rest
    return {str(state): count for state, count in sorted(found.items()) if count}


def mark(row: NotificationRow) -> str:
    """What a count of its deliveries was made of: with another mark it says nothing any more."""
    times = (row.published_at, row.failed_at, row.cancelled_at)
    return " ".join([row.status, *(str(to_ms(at)) if at else "-" for at in times)])


def _given_up(session: Session, id: str) -> int:
    """How many are on given-up pages: fewer than have no row, where somebody who got it was erased since."""
    kept = select(_P.names).where(_P.notification_id == id, _P.failed_at.is_not(None), _P.names.is_not(None))
    return sum(len(orjson.loads(names or "[]")) for names in session.scalars(kept))


def status_of(row: NotificationRow, counted: dict[str, int]) -> Status:
    """The state that a sender is told."""
    return shown(Status(row.status), everyone=row.everyone, counts=counted)


def timeline(session: Session, row: NotificationRow, counted: Counted | None = None) -> list[Hop]:
    """What happened when, from the time columns, the oldest first; `counted` as for `counts`."""
    counted = counted or tallies.count(session, [row])[row.id]
    expired = counted.states.get(State.EXPIRED)
    cancelled = row.cancelled_at if row.status == Status.CANCELLED else None
    never = row.status == Status.EXPIRED or not (row.everyone or row.recipients)
    # Marked so after it was cancelled: it was not, or was taken back at once.
    never |= bool(cancelled and row.published_at and row.published_at >= cancelled)
    hops: list[tuple[datetime | None, str, str | None]] = [
        (row.accepted_at, "accepted", None),
        (row.accepted_at if row.send_at else None, "scheduled", None),
        (row.stored_at, "stored", _unfound(row)),
        (None if never else row.published_at, "published", None),
        (counted.first_delivered_at, "delivered_first", None),
        (row.rescued_at, "rescued", None),
        (cancelled, "cancelled", None),
        (row.failed_at, "failed", row.error),
        (row.expires_at if expired or row.status == Status.EXPIRED else None, "expired", "ttl"),
    ]
    found = [Hop(at, hop, reason) for at, hop, reason in hops if at is not None]
    return sorted(found, key=lambda hop: hop.at)


def _unfound(row: NotificationRow) -> str | None:
    """Why some got nothing: a segment was deleted after the notification was accepted."""
    gone = audiences.missing_in(row.audience)
    return f"no such segment any more: {', '.join(gone)}" if gone else None
