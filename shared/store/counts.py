"""The numbers of an inbox: the user's own, which the stream row keeps, and those of what went to everyone.

What went to everyone has a row per user only once the user marked it, so it is counted when asked: few notifications
go to everyone and are still alive.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.notification import Status
from shared.models import tables as t
from shared.protocol.envelope import Counts
from shared.store.apps import AppRow
from shared.store.broadcasts import addressed_to

_N, _D = t.notifications.c, t.deliveries.c


def visible_to_all(app_id: int, user_id: int | None, now: datetime) -> ColumnElement[bool]:
    """Notifications to everyone that this user sees: alive, not taken back, and the user not excluded.

    None is a user that the database does not know; nobody excludes that one.
    """
    alive = and_(
        _N.app_id == app_id, _N.all_seq.is_not(None), _N.expires_at > now, _N.status != Status.CANCELLED
    )
    return alive if user_id is None else and_(alive, addressed_to(user_id))


def of_everyone(session: Session, app: AppRow, user_id: int | None, *, now_ms: int) -> Counts:
    """The numbers of what went to everyone up to `app.all_seq`, as this user has marked it."""
    here = _D.archived_at.is_(None)
    mine = and_(_D.notification_id == _N.id, _D.user_id == (user_id or 0))
    row = session.execute(
        select(
            func.count(),
            func.count(case((and_(here, _D.seen_at.is_(None)), 1))),
            func.count(case((and_(here, _D.read_at.is_(None)), 1))),
            func.count(case((~here, 1))),
        )
        .select_from(t.notifications)
        .outerjoin(t.deliveries, mine)
        .where(visible_to_all(app.id, user_id, to_datetime(now_ms)), _N.all_seq <= app.all_seq)
    ).one()
    return Counts(*row)


def added(one: Counts, other: Counts) -> Counts:
    """The sum of two."""
    return Counts(
        one.total + other.total,
        one.unseen + other.unseen,
        one.unread + other.unread,
        one.archived + other.archived,
    )
