"""What became of everything that was for one user: why one got something, or not.

Three lists in one, each read in the order of an index that is there anyway: the user's own stream by place, what never
took a place (held, skipped, late) by id, and what went to everyone by place. They are merged by id, the newest first;
what was held and released stands where it was released. An index by (user, notification) would save the merging, and
cost every delivery an entry at a random place when it is inserted.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, Select, and_, select
from sqlalchemy.orm import Session

from shared.clock import to_datetime, to_ms
from shared.domain.delivery import State, shown
from shared.domain.notification import Status
from shared.models import tables as t
from shared.store.broadcasts import addressed_to
from shared.store.deliveries import told_of
from shared.store.users import UserRow

_N, _D, _S = t.notifications.c, t.deliveries.c, t.streams.c

WINDOW: Final = 1000
"""Rows of each list that are looked at for one page."""
EXCLUDED: Final = "excluded"
_COLUMNS: Final = (
    _N.id,
    _N.event,
    _N.accepted_at,
    _N.expires_at,
    _N.published_at,
    _N.sender,
    _D.state,
    _D.reason,
    _D.seq,
    _D.held_until,
    _D.released_at,
    _D.delivered_at,
    _D.seen_at,
    _D.read_at,
)
Bound = int | str
"""The place of an item in its list: what comes after it is below."""


class Item(NamedTuple):
    """One notification for this user, as a sender is told."""

    notification_id: str
    event: str
    sender: str
    stream: str
    state: str
    reason: str | None
    seq: int | None
    accepted_at: datetime
    expires_at: datetime
    held_until: datetime | None
    released_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    seen_at: datetime | None
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: exclusive bounds of the own stream, of what has no place, and of everyone's stream."""

    me: int
    unplaced: str
    all: int

    def past(self, stream: str, bound: Bound) -> "Place":
        """The place behind an item of one of the three."""
        change: dict[str, Any] = {stream: bound}
        return replace(self, **change)


FIRST: Final = Place(2**63 - 1, "ffffffff-ffff-ffff-ffff-ffffffffffff", 2**63 - 1)


@dataclass(frozen=True, slots=True)
class Query:
    """Which of them, from where and how many: `state` is a word of the interface, `since` epoch milliseconds."""

    at: Place
    limit: int
    state: str | None = None
    event: str | None = None
    since: int | None = None


class _List:
    """One of the three lists: what of it matches, where each ends, and whether there may be more behind."""

    def __init__(self, rows: Sequence[tuple[Item, Bound]], query: Query, look: int) -> None:
        self.items = deque((item, bound) for item, bound in rows if _matches(item, query))
        self.end = rows[-1][1] if len(rows) == look else None


def page(
    session: Session, app_id: int, user: UserRow, query: Query, *, now_ms: int
) -> tuple[list[Item], Place | None]:
    """At most `limit` items, and where the next page begins; None: there is none.

    A page may be short where few match: it looks at no more than 1,000 rows of each list. All that has no place is read
    for each page: few deliveries have none.
    """
    at, everything = query.at, (query.state, query.event, query.since) == (None, None, None)
    look = query.limit + 1 if everything else WINDOW
    lists = {
        "me": _List(_own(session, user, at, look), query, look),
        "unplaced": _List(_unplaced(session, user, at, look), query, look),
        "all": _List(_everyones(session, user, app_id, query, look, to_datetime(now_ms)), query, look),
    }
    found: list[Item] = []
    while len(found) < query.limit:
        # What comes next in a list of which only a window was read, nobody knows.
        for stream, each in lists.items():
            if not each.items and each.end is not None:
                return found, at.past(stream, each.end)
        heads = {stream: each.items[0][0].notification_id for stream, each in lists.items() if each.items}
        if not heads:
            return found, None
        stream = max(heads, key=heads.__getitem__)
        item, bound = lists[stream].items.popleft()
        found.append(item)
        at = at.past(stream, bound)
    more = any(each.items or each.end is not None for each in lists.values())
    return found, at if more else None


def _matches(item: Item, wanted: Query) -> bool:
    return (
        wanted.state in (None, item.state)
        and wanted.event in (None, item.event)
        and (wanted.since is None or to_ms(item.accepted_at) >= wanted.since)
    )


def _own(session: Session, user: UserRow, at: Place, look: int) -> list[tuple[Item, Bound]]:
    mine = (_D.user_id == user.id) & (_D.seq < at.me)
    rows = session.execute(_joined().where(mine).order_by(_D.seq.desc()).limit(look))
    return [(_item(row), row.seq) for row in rows]


def _unplaced(session: Session, user: UserRow, at: Place, look: int) -> list[tuple[Item, Bound]]:
    mine = and_(_D.user_id == user.id, _D.seq.is_(None), _D.notification_id < at.unplaced)
    # A user's marks on what went to everyone have no place either, and are told with what they mark.
    # By `seq` too, which is NULL: else the key of the table looks like a short way, and leads past everybody's.
    order = (_D.seq, _D.notification_id.desc())
    statement = _joined().where(mine, _N.all_seq.is_(None)).order_by(*order)
    return [(_item(row), row.id) for row in session.execute(statement.limit(look))]


def _joined() -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).join_from(t.deliveries, t.notifications, _N.id == _D.notification_id)


def _item(row: Row[*tuple[Any, ...]]) -> Item:
    state, sent_at = told_of(row.state, row.seq, row.published_at, row.held_until, row.released_at)
    return _told(row, "me", row.seq, state, row.reason, sent_at)


def _everyones(
    session: Session, user: UserRow, app_id: int, query: Query, look: int, now: datetime
) -> list[tuple[Item, Bound]]:
    """What went to everyone since the user exists; a row of the user's own there is only of what was marked."""
    mine = and_(_D.notification_id == _N.id, _D.user_id == user.id)
    statement = (
        select(*_COLUMNS, _N.all_seq, _N.status, addressed_to(user.id).label("addressed"))
        .join_from(t.notifications, t.deliveries, mine, isouter=True)
        .where(_N.app_id == app_id, _N.all_seq < query.at.all, _N.expires_at > user.created_at)
        .order_by(_N.all_seq.desc())
        .limit(look)
    )
    acked = session.scalar(select(_S.all_acked).where(_S.user_id == user.id)) or 0
    return [(_to_all(row, acked, now), row.all_seq) for row in session.execute(statement)]


def _to_all(row: Row[*tuple[Any, ...]], acked: int, now: datetime) -> Item:
    """One to everyone: of an ack only the place is known, not the time."""
    if not row.addressed:
        return _told(row, "all", None, State.SKIPPED, EXCLUDED, None)
    if row.state is not None:
        state = State.DELIVERED.value
    elif row.status == Status.CANCELLED:
        state = State.CANCELLED
    elif row.all_seq <= acked:
        state = State.DELIVERED
    elif row.expires_at <= now:
        state = State.EXPIRED
    else:
        state = shown(State.PENDING, published=row.published_at is not None)
    return _told(row, "all", row.all_seq, state, None, row.published_at)


def _told(
    row: Row[*tuple[Any, ...]],
    stream: str,
    seq: int | None,
    state: str,
    reason: str | None,
    sent_at: datetime | None,
) -> Item:
    return Item(
        notification_id=row.id,
        event=row.event,
        sender=row.sender,
        stream=stream,
        state=str(state),
        reason=reason,
        seq=seq,
        accepted_at=row.accepted_at,
        expires_at=row.expires_at,
        held_until=row.held_until,
        released_at=row.released_at,
        sent_at=sent_at,
        delivered_at=row.delivered_at,
        seen_at=row.seen_at,
        read_at=row.read_at,
    )
