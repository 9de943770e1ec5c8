"""The numbers of an inbox: the user's own, which the stream row keeps, and those of what went to everyone.

What went to everyone has a row per user only once the user marked it, so it is counted when asked: few notifications
go to everyone and are still alive.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.notification import Status
from shared.models import tables as t
from shared.protocol.envelope import Counts
from shared.store.apps import AppRow
from shared.store.broadcasts import addressed_to, excludes
from shared.store.rows import chunks

_N, _D = t.notifications.c, t.deliveries.c


def visible_to_all(app_id: int, user_id: int | None, now: datetime) -> ColumnElement[bool]:
    """Notifications to everyone that this user sees: alive, not taken back, and the user not excluded.

    None is a user that the database does not know; nobody excludes that one.
    """
    alive = and_(
        _N.app_id == app_id, _N.all_seq.is_not(None), _N.expires_at > now, _N.status != Status.CANCELLED
    )
    return alive if user_id is None else and_(alive, addressed_to(user_id))


def of_everyone(
    session: Session, app: AppRow, user_ids: Collection[int | None], *, now_ms: int
) -> dict[int | None, Counts]:
    """The numbers of what went to everyone up to `app.all_seq`, as each of these users has marked it.

    What is alive is counted once for all of them; what differs between users are exclusions and marks, and few of
    either exist. None is a user that the database does not know.
    """
    alive = visible_to_all(app.id, None, to_datetime(now_ms)) & (_N.all_seq <= app.all_seq)
    total, excluding = session.execute(select(func.count(), func.count(_N.excluded)).where(alive)).one()
    known = sorted(id for id in set(user_ids) if id is not None) if total else []
    left_out: dict[int, int] = {}
    marked: dict[int, tuple[int, int, int]] = {}
    for part in chunks(known):
        left_out |= _left_out(session, alive, part) if excluding else {}
        marked |= _marked(session, alive, part)
    found: dict[int | None, Counts] = {}
    for id in user_ids:
        own = total - left_out.get(id or 0, 0)
        seen, read, archived = marked.get(id or 0, (0, 0, 0))
        found[id] = Counts(own, own - seen, own - read, archived)
    return found


def _left_out(session: Session, alive: ColumnElement[bool], user_ids: Collection[int]) -> dict[int, int]:
    """How many exclude each of these users."""
    s = t.streams.c
    rows = session.execute(
        select(s.user_id, func.count().label("number"))
        .join(t.notifications, alive & _N.excluded.is_not(None) & excludes(s.user_id))
        .where(s.user_id.in_(user_ids))
        .group_by(s.user_id)
    )
    return {row.user_id: row.number for row in rows}


def _marked(
    session: Session, alive: ColumnElement[bool], user_ids: Collection[int]
) -> dict[int, tuple[int, int, int]]:
    """How many each of these users has seen or archived, read or archived, archived."""
    archived = _D.archived_at.is_not(None)
    rows = session.execute(
        select(
            _D.user_id,
            func.count(case((archived | _D.seen_at.is_not(None), 1))),
            func.count(case((archived | _D.read_at.is_not(None), 1))),
            func.count(case((archived, 1))),
        )
        .join(t.notifications, _N.id == _D.notification_id)
        .where(alive, _D.user_id.in_(user_ids))
        .group_by(_D.user_id)
    )
    return {user_id: (seen, read, gone) for user_id, seen, read, gone in rows}


def added(one: Counts, other: Counts) -> Counts:
    """The sum of two."""
    return Counts(
        one.total + other.total,
        one.unseen + other.unseen,
        one.unread + other.unread,
        one.archived + other.archived,
    )
