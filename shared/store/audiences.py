"""Audiences: from users, topics, segments and exclusions to the names of those who receive.

They are read by user id in steps, so that memory stays flat however many they are. Whoever one of the exclusions names
is out, whatever brought them in.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import except_, func, select
from sqlalchemy.orm import Session

from shared.domain.audience import recipients
from shared.store import membership, segments
from shared.store.bulk import bulk_for
from shared.store.membership import Side
from shared.store.rows import Member, chunks

_MISSING = "missing_segments"


@dataclass(frozen=True, slots=True)
class Audience:
    """Users, topics and segments, less users, topics and segments. `everyone`: all known users of the app are in it,
    whatever else is."""

    users: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    exclude_topics: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    exclude_segments: tuple[str, ...] = ()
    everyone: bool = False


def is_dynamic(member: Member) -> bool:
    """Whether the database must be asked who its audience is."""
    return _asks(member) or (member.everyone and member.local_at is not None)


def of(member: Member) -> Audience:
    """The audience of a member that has no place on the stream of everyone: one to everyone at a local time is to all
    who are known."""
    return Audience(
        users=member.users,
        topics=member.topics,
        exclude=member.exclude,
        exclude_topics=member.exclude_topics,
        segments=member.segments,
        exclude_segments=member.exclude_segments,
        everyone=member.everyone,
    )


def left_out(member: Member) -> Audience:
    """Whom the topics and segments leave out that a member, for everyone, is less."""
    return Audience(topics=member.exclude_topics, segments=member.exclude_segments)


def missing_segments(session: Session, app_id: int, member: Member) -> list[str]:
    """The segments that a member names and that do not exist: nobody is in them."""
    return segments.missing(session, app_id, (*member.segments, *member.exclude_segments))


def told(member: Member, missing: Collection[str] = ()) -> str | None:
    """What the column `audience` says of a member: its topics and segments, as JSON text, and which of the segments
    were `missing`; None if it has neither. Names are not in it, so that erasing a user leaves none there."""
    if not _asks(member):
        return None
    return orjson.dumps(_rest(member) | ({_MISSING: list(missing)} if missing else {})).decode()


def to_send_again(member: Member) -> str | None:
    """What the column says of one that failed: also the names that it is less, which no page keeps."""
    if not _asks(member):
        return None
    return orjson.dumps({**_rest(member), "exclude": member.exclude}).decode()


def _asks(member: Member) -> bool:
    return bool(member.topics or member.exclude_topics or member.segments or member.exclude_segments)


def _rest(member: Member) -> dict[str, object]:
    rest: dict[str, object] = {"topics": member.topics, "exclude_topics": member.exclude_topics}
    if member.segments or member.exclude_segments:
        rest |= {"segments": member.segments, "exclude_segments": member.exclude_segments}
    return rest


def whole(member: Member) -> str:
    """What the column says of one that is scheduled: all of its audience, names too."""
    # That it is to everyone says the row.
    found = {name: values for name, values in asdict(of(member)).items() if values and name != "everyone"}
    return orjson.dumps({"users": [], **found}).decode()


def without(column: str, name: str) -> str:
    """What `whole` wrote, less one name."""
    found = orjson.loads(column)
    for key in ("users", "exclude"):
        if key in found:
            found[key] = [one for one in found[key] if one != name]
    return orjson.dumps(found).decode()


def nameless(column: str | None) -> str | None:
    """What a column says, without names."""
    if column is None:
        return None
    kept = {key: values for key, values in orjson.loads(column).items() if key not in ("users", "exclude")}
    return orjson.dumps(kept).decode() if kept else None


def read(column: str | None) -> Audience:
    """The audience that a column was written for; with its users only if it is scheduled."""
    rest: Any = orjson.loads(column) if column else {}
    rest.pop(_MISSING, None)
    kept: Any = {name: tuple(values) for name, values in rest.items()}
    return Audience(**kept)


def missing_in(column: str | None) -> list[str]:
    """The segments that did not exist any more when the audience of this column was looked up."""
    return orjson.loads(column).get(_MISSING, []) if column else []


def names(session: Session, app_id: int, audience: Audience, *, chunk: int) -> Iterator[list[str]]:
    """All receivers, each once, in lists of at most `chunk`: the named ones in the sender's order, then the others by
    user id. A named one need not exist. Who comes or goes between two lists is in it or not."""
    inside, out = _sides(session, app_id, audience)
    for part in chunks(_named(session, app_id, audience, out), chunk):
        yield list(part)
    apart = frozenset((*audience.users, *audience.exclude))
    for rows in membership.walk(session, app_id, inside, out, chunk=chunk):
        if found := [name for _, name in rows if name not in apart]:
            yield found


def sample(session: Session, app_id: int, audience: Audience, *, limit: int) -> list[str]:
    """The first `limit` receivers."""
    return _first(names(session, app_id, audience, chunk=max(limit, 100)), limit)


def named(session: Session, app_id: int, audience: Audience, *, limit: int) -> list[str]:
    """Names of an audience, at most `limit` + 1, so that one sees whether there are more."""
    return _first(names(session, app_id, audience, chunk=limit + 1), limit + 1)


def count(session: Session, app_id: int, audience: Audience) -> int:
    """How many receive it, without reading their names."""
    inside, out = _sides(session, app_id, audience)
    total = len(_named(session, app_id, audience, out))
    if not inside:
        return total
    each = membership.ids(session, app_id, inside)
    # Not NOT EXISTS: where PostgreSQL had no statistics yet, that compared everybody with everybody (20 s for 20,000).
    counted = except_(each, membership.ids(session, app_id, out)) if out else each
    total += session.scalar(select(func.count()).select_from(counted.subquery())) or 0
    # Those that the sender names were counted, or are excluded.
    apart = list(_ids_of(session, app_id, {*audience.users, *audience.exclude}).values())
    twice = membership.within(session, app_id, inside, apart)
    return total - len(twice - membership.within(session, app_id, out, apart))


def _first(parts: Iterable[list[str]], limit: int) -> list[str]:
    return list(islice((name for part in parts for name in part), limit))


def _sides(session: Session, app_id: int, audience: Audience) -> tuple[Side, Side]:
    """Who is in beside those that are named, and who is out."""
    inside = membership.side(session, app_id, audience.topics, audience.segments, everyone=audience.everyone)
    return inside, membership.side(session, app_id, audience.exclude_topics, audience.exclude_segments)


def _named(session: Session, app_id: int, audience: Audience, out: Side) -> list[str]:
    """The users that the sender names, less those that are excluded by name, topic or segment."""
    found = recipients(audience.users, audience.exclude)
    if not out:
        return found
    ids = _ids_of(session, app_id, found)
    excluded = membership.within(session, app_id, out, list(ids.values()))
    return [name for name in found if ids.get(name) not in excluded]


def _ids_of(session: Session, app_id: int, names: Collection[str]) -> dict[str, int]:
    return bulk_for(session).known_users(session, app_id, names) if names else {}
