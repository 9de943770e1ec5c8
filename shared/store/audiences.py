"""Audiences by topic: from users, topics and exclusions to the names of those who receive.

Subscribers are found by equality with every pattern that matches a topic, and read by user id in steps, so that memory
stays flat however many they are. Whoever one of the exclusions names is out, whatever brought them in.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import Select, Subquery, except_, func, select, union_all
from sqlalchemy.orm import Session

from shared.domain.audience import recipients
from shared.domain.topics import patterns_for
from shared.models import tables as t
from shared.store.bulk import bulk_for
from shared.store.rows import Member, chunks

_T, _U = t.subscriptions.c, t.users.c

RANGES = 64
"""Patterns that are read each by a range of its own, in which a step reads no more than it can use. With all patterns
in one list it reads all that is left of them."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Users and topics, less users and topics."""

    users: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    exclude_topics: tuple[str, ...] = ()


def is_dynamic(member: Member) -> bool:
    """Whether the database must be asked who its audience is."""
    return bool(member.topics or member.exclude_topics or (member.everyone and member.local_at is not None))


def of(member: Member) -> Audience:
    """The audience of a member that has no place on the stream of everyone."""
    return Audience(member.users, member.topics, member.exclude, member.exclude_topics)


def told(member: Member) -> str | None:
    """What the column `audience` says of a member: its topics, as JSON text; None if it has none. Names are not in it,
    so that erasing a user leaves none there."""
    if not member.topics and not member.exclude_topics:
        return None
    return orjson.dumps({"topics": member.topics, "exclude_topics": member.exclude_topics}).decode()


def to_send_again(member: Member) -> str | None:
    """What the column says of one that failed: also the names that its topics are less, which no page keeps."""
    if not member.topics and not member.exclude_topics:
        return None
    rest = {"topics": member.topics, "exclude_topics": member.exclude_topics, "exclude": member.exclude}
    return orjson.dumps(rest).decode()


def whole(member: Member) -> str:
    """What the column says of one that is scheduled: all of its audience, names too."""
    found = {name: values for name, values in asdict(of(member)).items() if values}
    return orjson.dumps({"users": [], **found}).decode()


def without(column: str, name: str) -> str:
    """What `whole` wrote, less one name."""
    found = orjson.loads(column)
    for key in ("users", "exclude"):
        if key in found:
            found[key] = [one for one in found[key] if one != name]
    return orjson.dumps(found).decode()


def read(column: str | None) -> Audience:
    """The audience that a column was written for; with its users only if it is scheduled."""
    rest = orjson.loads(column) if column else {}
    return Audience(**{name: tuple(values) for name, values in rest.items()})


def names(session: Session, app_id: int, audience: Audience, *, chunk: int) -> Iterator[list[str]]:
    """All receivers, each once, in lists of at most `chunk`: the named ones in the sender's order, then subscribers by
    user id. A named one need not exist. Who subscribes between two lists is in it or not."""
    out = _patterns(audience.exclude_topics)
    for part in chunks(_named(session, app_id, audience, out), chunk):
        yield list(part)
    patterns = _used(session, app_id, _patterns(audience.topics))
    apart = frozenset((*audience.users, *audience.exclude))
    after = 0
    while patterns:
        rows = session.execute(_subscribers(app_id, patterns, after, chunk)).all()
        excluded = _following(session, app_id, out, [id for id, _ in rows])
        if found := [name for id, name in rows if name and id not in excluded and name not in apart]:
            yield found
        if len(rows) < chunk:
            return
        after = rows[-1][0]


def sample(session: Session, app_id: int, audience: Audience, *, limit: int) -> list[str]:
    """The first `limit` receivers."""
    return _first(names(session, app_id, audience, chunk=max(limit, 100)), limit)


def named(session: Session, app_id: int, topics: Iterable[str], *, limit: int) -> list[str]:
    """Names of the subscribers of these topics, at most `limit` + 1, so that one sees whether there are more."""
    audience = Audience(topics=tuple(topics))
    return _first(names(session, app_id, audience, chunk=limit + 1), limit + 1)


def count(session: Session, app_id: int, audience: Audience) -> int:
    """How many receive it, without reading their names."""
    out = _patterns(audience.exclude_topics)
    total = len(_named(session, app_id, audience, out))
    patterns = _patterns(audience.topics)
    if not patterns:
        return total
    each = _distinct(app_id, patterns)
    # Not NOT EXISTS: where PostgreSQL had no statistics yet, that compared everybody with everybody (20 s for 20,000).
    counted = except_(each, _distinct(app_id, out)) if out else each
    total += session.scalar(select(func.count()).select_from(counted.subquery())) or 0
    # Those that the sender names were counted, or are excluded.
    apart = list(_ids_of(session, app_id, {*audience.users, *audience.exclude}).values())
    return total - len(_following(session, app_id, patterns, apart) - _following(session, app_id, out, apart))


def _first(parts: Iterable[list[str]], limit: int) -> list[str]:
    return list(islice((name for part in parts for name in part), limit))


def _patterns(topics: Iterable[str]) -> list[str]:
    return sorted({pattern for topic in topics for pattern in patterns_for(topic)})


def _used(session: Session, app_id: int, patterns: Sequence[str]) -> Sequence[str]:
    """Without those that nobody is subscribed to, if there are too many for a range each."""
    if len(patterns) <= RANGES:
        return patterns
    used = select(_T.pattern).where(_T.app_id == app_id, _T.pattern.in_(patterns)).distinct()
    return sorted(session.scalars(used))


def _named(session: Session, app_id: int, audience: Audience, out: Sequence[str]) -> list[str]:
    """The users that the sender names, less those that are excluded by name or by topic."""
    found = recipients(audience.users, audience.exclude)
    if not out:
        return found
    ids = _ids_of(session, app_id, found)
    excluded = _following(session, app_id, out, list(ids.values()))
    return [name for name in found if ids.get(name) not in excluded]


def _ids_of(session: Session, app_id: int, names: Collection[str]) -> dict[str, int]:
    return bulk_for(session).known_users(session, app_id, names) if names else {}


def _following(
    session: Session, app_id: int, patterns: Sequence[str], user_ids: Sequence[int]
) -> frozenset[int]:
    """Those of these users who are subscribed to one of these patterns."""
    found: set[int] = set()
    for part in chunks(user_ids if patterns else ()):
        found |= set(session.scalars(_distinct(app_id, patterns).where(_T.user_id.in_(part))))
    return frozenset(found)


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
