"""The numbers of an inbox: the user's own, which the stream row keeps, and those of what went to everyone.

What went to everyone has a row per user only once the user marked it, so it is counted when asked: few notifications
go to everyone and are still alive.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

import orjson
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.delivery import State
from shared.domain.notification import Status
from shared.models import tables as t
from shared.protocol.envelope import Counts
from shared.store.apps import AppRow
from shared.store.broadcasts import addressed_to
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
    left_out = _left_out(session, alive, known) if excluding and known else {}
    marked = _marked(session, alive, known)
    found: dict[int | None, Counts] = {}
    for id in user_ids:
        own = total - left_out.get(id or 0, 0)
        seen, read, archived = marked.get(id or 0, (0, 0, 0))
        found[id] = Counts(own, own - seen, own - read, archived)
    return found


def _left_out(session: Session, alive: ColumnElement[bool], user_ids: Collection[int]) -> Counter[int]:
    """How many exclude each of these users. Read as they are: to look for each user in each list took SQL 2 s for 100
    users and 100 lists of 1,000."""
    wanted, found = frozenset(user_ids), Counter[int]()
    for excluded in session.scalars(select(_N.excluded).where(alive, _N.excluded.is_not(None))):
        found.update(wanted.intersection(orjson.loads(excluded or "[]")))
    return found


def _marked(
    session: Session, alive: ColumnElement[bool], user_ids: Sequence[int]
) -> dict[int, tuple[int, int, int]]:
    """How many each of these users has seen or archived, read or archived, archived.

    From the users' marks to the notifications, never the other way: one that is alive may have a mark of each of a
    million users.
    """
    columns = (_D.user_id, _D.notification_id, _D.seen_at, _D.read_at, _D.archived_at)
    rows = [
        row
        for part in chunks(user_ids)
        # What a user marked of what went to everyone has no place in the user's own stream, and was received.
        for row in session.execute(
            select(*columns).where(_D.user_id.in_(part), _D.seq.is_(None), _D.state == State.DELIVERED)
        )
    ]
    living: set[str] = set()
    for part in chunks(sorted({row.notification_id for row in rows})):
        living.update(session.scalars(select(_N.id).where(_N.id.in_(part), alive)))
    found: dict[int, tuple[int, int, int]] = {}
    for row in rows:
        if row.notification_id in living:
            gone = row.archived_at is not None
            seen, read, archived = found.get(row.user_id, (0, 0, 0))
            seen += gone or row.seen_at is not None
            read += gone or row.read_at is not None
            found[row.user_id] = (seen, read, archived + gone)
    return found


def added(one: Counts, other: Counts) -> Counts:
    """The sum of two."""
    return Counts(
        one.total + other.total,
        one.unseen + other.unseen,
        one.unread + other.unread,
        one.archived + other.archived,
    )
