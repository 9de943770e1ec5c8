"""deliveries: the receivers of one notification and what became of it at each, page by page."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import false, select
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
    sent_at: datetime | None
    delivered_at: datetime | None
    seen_at: datetime | None
    read_at: datetime | None


def page(
    session: Session, row: NotificationRow, *, state: str | None = None, after: int = 0, limit: int = 100
) -> list[DeliveryRow]:
    """Deliveries of a notification by user id, those after the user id `after`.

    `state` is a word of the interface, `sent` included. Raises ValueError for a word that is none.
    """
    published = row.published_at is not None
    statement = (
        select(_D.user_id, _U.name, _D.state, _D.reason, _D.seq, _D.delivered_at, _D.seen_at, _D.read_at)
        .join(t.users, _U.id == _D.user_id)
        .where(_D.notification_id == row.id, _D.user_id > after, _U.name.is_not(None))
        .order_by(_D.user_id)
        .limit(limit)
    )
    if state is not None:
        wanted, must_be_published = stored(state)
        statement = statement.where(_D.state == wanted)
        if must_be_published not in (None, published):
            statement = statement.where(false())
    return [
        DeliveryRow(
            user_id,
            user,
            shown(State(word), published=published),
            reason,
            seq,
            None if seq is None else row.published_at,
            *times,
        )
        for user_id, user, word, reason, seq, *times in session.execute(statement)
    ]
