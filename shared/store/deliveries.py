"""deliveries: the receivers of one notification and what became of it at each, page by page."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, select, true
from sqlalchemy.orm import Session

from shared.domain.delivery import State, shown, stored
from shared.models import tables as t
from shared.store.notifications import NotificationRow

_D, _U = t.deliveries.c, t.users.c


class DeliveryRow(NamedTuple):
    """One receiver, as a sender is told. `sent_at`: when the notification was published."""

    user_id: int
    user: str
    state: str
    reason: str | None
    seq: int | None
    held_until: datetime | None
    released_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    seen_at: datetime | None
    read_at: datetime | None


_COLUMNS: Final = (
    _D.user_id,
    _U.name,
    _D.state,
    _D.reason,
    _D.seq,
    _D.held_until,
    _D.released_at,
    _D.delivered_at,
    _D.seen_at,
    _D.read_at,
)


def page(
    session: Session,
    row: NotificationRow,
    *,
    state: str | None = None,
    user: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[DeliveryRow]:
    """Deliveries of a notification by user id, those after the user id `after`; with `user` only that one's.

    `state` is a word of the interface, `sent` included. Raises ValueError for a word that is none.
    """
    published = row.published_at is not None
    statement = (
        select(*_COLUMNS)
        .join(t.users, _U.id == _D.user_id)
        .where(_D.notification_id == row.id, _D.user_id > after, _U.name.is_not(None))
        .order_by(_D.user_id)
        .limit(limit)
    )
    if user is not None:
        statement = statement.where(_U.app_id == row.app_id, _U.name == user)
    if state is not None:
        statement = statement.where(_in_state(state, published=published))
    return [_row(row, found) for found in session.execute(statement)]


def _in_state(word: str, *, published: bool) -> ColumnElement[bool]:
    """The condition behind a word of the interface, on deliveries of a notification that is published or not."""
    wanted, must_be_published = stored(word)
    if must_be_published is None:
        return _D.state == wanted
    # What was held and is released keeps its time until it is published.
    waits = _D.held_until.is_not(None) if published else true()
    return and_(_D.state == wanted, ~waits if must_be_published else waits)


def _row(of: NotificationRow, row: Row[*tuple[Any, ...]]) -> DeliveryRow:
    told, sent_at = told_of(row.state, row.seq, of.published_at, row.held_until, row.released_at)
    return DeliveryRow(
        row.user_id,
        row.name,
        told,
        row.reason,
        row.seq,
        row.held_until,
        row.released_at,
        sent_at,
        row.delivered_at,
        row.seen_at,
        row.read_at,
    )


def told_of(
    state: str,
    seq: int | None,
    published_at: datetime | None,
    held_until: datetime | None,
    released_at: datetime | None,
) -> tuple[str, datetime | None]:
    """The state of a delivery as senders are told, and when it was sent."""
    published = published_at is not None and held_until is None
    # What has a place was sent with its notification, and what was held when it was released.
    sent_at = (released_at or published_at) if seq is not None and published else None
    return shown(State(state), published=published), sent_at
