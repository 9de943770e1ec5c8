"""Who belongs to topics and segments: one side of an audience, what is in or what is out.

Subscribers are found by equality with every pattern that matches a topic; users of a segment by its rule. Both are
read in steps by user id: of topics alone along the subscriptions, else along the users, window by window, so that no
step costs more than its window however few of it belong.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, Subquery, func, not_, or_, select, true, union, union_all
from sqlalchemy.orm import Session

from shared.domain.segments import Rule
from shared.domain.topics import patterns_for
from shared.models import tables as t
from shared.store import segments
from shared.store.rows import chunks
from shared.store.segment_sql import Condition, condition

_T, _U = t.subscriptions.c, t.users.c

RANGES = 64
"""Patterns that are read each by a range of its own, in which a step reads no more than it can use. With all patterns
in one list it reads all that is left of them."""
WINDOW = 2000
"""Ids that are looked at in one step, where most of them belong."""
WIDEST: Final = 16
"""Windows at most in one step, where few do. It bounds the names in memory."""


@dataclass(frozen=True, slots=True)
class Side:
    """Subscribers of patterns, and users for whom one of these rules holds; or every known user."""

    patterns: Sequence[str] = ()
    rules: tuple[Rule, ...] = ()
    everyone: bool = False

    def __bool__(self) -> bool:
        return bool(self.patterns or self.rules or self.everyone)


def side(
    session: Session, app_id: int, topics: Iterable[str], names: Collection[str], *, everyone: bool = False
) -> Side:
    """The side of these topics and segments. A segment that does not exist has nobody in it."""
    patterns = sorted({pattern for topic in topics for pattern in patterns_for(topic)})
    return Side(patterns, tuple(segments.rules(session, app_id, names).values()), everyone)


def within(session: Session, app_id: int, side: Side, user_ids: Sequence[int]) -> frozenset[int]:
    """Those of these users who belong to `side`."""
    found: set[int] = set()
    for part in chunks(user_ids if side else ()):
        if side.patterns:
            found |= set(session.scalars(_distinct(app_id, side.patterns).where(_T.user_id.in_(part))))
        if side.rules or side.everyone:
            mine = _members(session, app_id, side).where(_U.id.in_(part))
            found |= set(session.scalars(mine))
    return frozenset(found)


def ids(session: Session, app_id: int, side: Side) -> Select[tuple[int]]:
    """The ids of all who belong to `side`, each once."""
    parts = []
    if side.patterns:
        parts.append(_distinct(app_id, side.patterns))
    if side.rules or side.everyone:
        parts.append(_members(session, app_id, side))
    if len(parts) == 1:
        return parts[0]
    return select(union(*parts).subquery().c[0])


def walk(
    session: Session, app_id: int, wanted: Side, out: Side, *, chunk: int
) -> Iterator[list[tuple[int, str]]]:
    """Id and name of all who belong to `wanted` and not to `out`, by id, in lists of at most `chunk`, some of them
    empty."""
    if wanted.rules or wanted.everyone:
        for found in _by_window(session, app_id, wanted, out):
            yield from (list(part) for part in chunks(found, chunk))
    elif wanted:
        yield from _by_subscription(session, app_id, wanted.patterns, out, chunk)


def _by_window(session: Session, app_id: int, wanted: Side, out: Side) -> Iterator[Sequence[tuple[int, str]]]:
    first, last = session.execute(select(func.min(_U.id), func.max(_U.id))).one()
    after, width = (first or 1) - 1, WINDOW
    while after < (last or 0):
        upto = after + width
        belongs = _belongs(session, app_id, wanted, after, upto)
        if out:
            belongs &= not_(_belongs(session, app_id, out, after, upto))
        rows = select(_U.id, _U.name).where(_U.id > after, _U.id <= upto, _mine(session, app_id))
        rows = rows.where(_U.name.is_not(None), belongs).order_by(_U.id)
        found = session.execute(rows.with_hint(t.users, "FORCE INDEX (PRIMARY)", "mysql"))
        users = [(id, name) for id, name in found]
        yield users
        # Ids have gaps, and those between may be of other apps or belong to none: wider where few are found.
        if len(users) > WINDOW:
            width = max(WINDOW, width // 2)
        elif len(users) < WINDOW // 2:
            width = min(2 * width, WIDEST * WINDOW)
        after = upto


def _by_subscription(
    session: Session, app_id: int, patterns: Sequence[str], out: Side, chunk: int
) -> Iterator[list[tuple[int, str]]]:
    patterns, after = _used(session, app_id, patterns), 0
    while patterns:
        rows = session.execute(_subscribers(app_id, patterns, after, chunk)).all()
        excluded = within(session, app_id, out, [id for id, _ in rows])
        yield [(id, name) for id, name in rows if name and id not in excluded]
        if len(rows) < chunk:
            return
        after = rows[-1][0]


def _belongs(session: Session, app_id: int, side: Side, after: int, upto: int) -> Condition:
    """A user of the window (after, upto] belongs to `side`."""
    if side.everyone:
        return true()
    parts: list[Condition] = [condition(session, rule) for rule in side.rules]
    if side.patterns:
        # Bounded by the window, so that the database holds no more of it than a window has users.
        following = _distinct(app_id, side.patterns).where(_T.user_id > after, _T.user_id <= upto)
        parts.append(_U.id.in_(following))
    return or_(*parts).self_group()


def _mine(session: Session, app_id: int) -> Condition:
    """A user of this app; where there are no hints, said so that no index on the app is taken, which would read all of
    its users in every step."""
    return _U.app_id == app_id if session.get_bind().dialect.name == "mysql" else _U.app_id + 0 == app_id


def _members(session: Session, app_id: int, side: Side) -> Select[tuple[int]]:
    mine = select(_U.id).where(_U.app_id == app_id, _U.name.is_not(None))
    return mine if side.everyone else mine.where(or_(*(condition(session, rule) for rule in side.rules)))


def _used(session: Session, app_id: int, patterns: Sequence[str]) -> Sequence[str]:
    """Without those that nobody is subscribed to, if there are too many for a range each."""
    if len(patterns) <= RANGES:
        return patterns
    used = select(_T.pattern).where(_T.app_id == app_id, _T.pattern.in_(patterns)).distinct()
    return sorted(session.scalars(used))


def _subscribers(app_id: int, patterns: Sequence[str], after: int, limit: int) -> Select[Any]:
    """Id and name of the first `limit` subscribers above a user id, by it."""
    c = _ids(app_id, patterns, after, limit).c
    return select(c.user_id, _U.name).join(t.users, _U.id == c.user_id).order_by(c.user_id)


def _ids(app_id: int, patterns: Sequence[str], after: int, limit: int) -> Subquery:
    if len(patterns) > RANGES:
        more = _distinct(app_id, patterns).where(_T.user_id > after)
        return more.order_by(_T.user_id).limit(limit).subquery()
    ranges = [
        select(_T.user_id)
        .where(_T.app_id == app_id, _T.pattern == pattern, _T.user_id > after)
        .order_by(_T.user_id)
        .limit(limit)
        .subquery()
        for pattern in patterns
    ]
    each = union_all(*(select(one.c.user_id) for one in ranges)).subquery().c
    return select(each.user_id).distinct().order_by(each.user_id).limit(limit).subquery()


def _distinct(app_id: int, patterns: Sequence[str]) -> Select[tuple[int]]:
    return select(_T.user_id).where(_T.app_id == app_id, _T.pattern.in_(patterns)).distinct()
