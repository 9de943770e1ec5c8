"""Counting the deliveries of notifications.

Of one for 100,000 users PostgreSQL reads 100,000 rows in 30 ms. An index (notification_id, state) would make that 6 to
16 ms, but every ack would have to write into it, and into all the others besides: 147 instead of 71 ms for 25,000
acks. A row with the numbers would be one lock that all acks wait for. So it is counted, but not by everybody who asks
(shared.domain.tally).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.domain.delivery import State
from shared.models import tables as t
from shared.store.rows import chunks

_D, _S, _U = t.deliveries.c, t.streams.c, t.users.c


class Counted(NamedTuple):
    """Deliveries by stored state, and when the first was delivered."""

    states: Mapping[str, int]
    first_delivered_at: datetime | None


class Countable(Protocol):
    """What of a notification decides how it is counted."""

    @property
    def id(self) -> str: ...

    @property
    def app_id(self) -> int: ...

    @property
    def everyone(self) -> bool: ...

    @property
    def all_seq(self) -> int | None: ...


def count(session: Session, rows: Iterable[Countable]) -> dict[str, Counted]:
    """The deliveries of notifications of one app; reads every one of them.

    Of those to everyone only what is delivered is known: users who acknowledged their place. That reads every stream of
    the app, once for all of them.
    """
    rows = list(rows)
    found = _by_state(session, [row.id for row in rows])
    everyones = [row for row in rows if row.everyone]
    if everyones:
        places = [row.all_seq for row in everyones if row.all_seq is not None]
        acked = _acked(session, everyones[0].app_id, places)
        for row in everyones:
            users = acked.get(row.all_seq or 0, 0)
            found[row.id] = found[row.id]._replace(states={State.DELIVERED.value: users} if users else {})
    return found


def _by_state(session: Session, ids: Sequence[str]) -> dict[str, Counted]:
    states: dict[str, dict[str, int]] = {id: {} for id in ids}
    first: dict[str, datetime] = {}
    columns = (_D.notification_id, _D.state, func.count(), func.min(_D.delivered_at))
    for part in chunks(ids):
        of_part = select(*columns).where(_D.notification_id.in_(part))
        for id, state, number, at in session.execute(of_part.group_by(_D.notification_id, _D.state)):
            states[id][state] = number
            if at is not None:
                first[id] = min(at, first.get(id, at))
    return {id: Counted(states[id], first.get(id)) for id in ids}


def _acked(session: Session, app_id: int, places: Sequence[int]) -> dict[int, int]:
    """How many users have acknowledged each of these places of everyone's stream."""
    if not places:
        return {}
    acked = (
        select(_S.all_acked, func.count())
        .join(t.users, _U.id == _S.user_id)
        .where(_U.app_id == app_id, _U.name.is_not(None), _S.all_acked >= min(places))
        .group_by(_S.all_acked)
    )
    found: Counter[int] = Counter()
    for top, users in session.execute(acked):
        found.update({place: users for place in places if place <= top})
    return dict(found)
