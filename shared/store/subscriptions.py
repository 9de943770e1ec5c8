"""subscriptions: who follows which topics, seen from either side.

A pattern comes checked (shared.domain.topics) and is compared as it is, never taken for one of SQL's.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, func, insert, or_, select
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.models import tables as t
from shared.store import names as users
from shared.store.bulk import bulk_for
from shared.store.rows import chunks

_T, _U = t.subscriptions.c, t.users.c


class SubscriberRow(NamedTuple):
    """A user who is subscribed to a pattern, since when."""

    user_id: int
    user: str
    created_at: datetime


class TopicRow(NamedTuple):
    """A pattern that somebody is subscribed to, and how many are."""

    topic: str
    subscribers: int


def subscribe(session: Session, app_id: int, pattern: str, names: Collection[str], *, now_ms: int) -> int:
    """Subscribe these users, known or not; how many were not subscribed before. Raises RunAgain."""
    bulk = bulk_for(session)
    ids = set(users.resolve(session, bulk, app_id, names, now_ms=now_ms).values())
    # Under the locks of the users nobody erases one or subscribes one at the same time.
    users.lock(session, bulk, ids)
    known: set[int] = set()
    for part in chunks(sorted(ids)):
        mine = (_T.app_id == app_id) & (_T.pattern == pattern) & _T.user_id.in_(part)
        known |= set(session.scalars(select(_T.user_id).where(mine)))
    row = {"app_id": app_id, "pattern": pattern, "created_at": to_datetime(now_ms)}
    new = [{**row, "user_id": id} for id in sorted(ids - known)]
    if new:
        session.execute(insert(t.subscriptions), new)
    return len(new)


def unsubscribe(session: Session, app_id: int, pattern: str, names: Collection[str]) -> int:
    """Take the subscriptions of these users to this very pattern away; how many there were."""
    ids = sorted(bulk_for(session).known_users(session, app_id, names).values()) if names else []
    gone = 0
    for part in chunks(ids):
        mine = (_T.app_id == app_id) & (_T.pattern == pattern) & _T.user_id.in_(part)
        gone += session.execute(delete(t.subscriptions).where(mine)).rowcount  # type: ignore[attr-defined]
    return gone


def page(
    session: Session, app_id: int, pattern: str, *, after: int = 0, limit: int = 100
) -> list[SubscriberRow]:
    """The subscribers of this very pattern with a user id above `after`, by user id."""
    rows = session.execute(
        select(_T.user_id, _U.name, _T.created_at)
        .join(t.users, _U.id == _T.user_id)
        .where(_T.app_id == app_id, _T.pattern == pattern, _T.user_id > after, _U.name.is_not(None))
        .order_by(_T.user_id)
        .limit(limit)
    )
    return [SubscriberRow(*row) for row in rows]


def topics(
    session: Session, app_id: int, *, prefix: str | None = None, after: str | None = None, limit: int = 100
) -> list[TopicRow]:
    """The patterns above `after` that somebody is subscribed to, by their bytes; with `prefix`, a topic, only it and
    what lies below it. A pattern of many subscribers takes as long as counting them."""
    statement = select(_T.pattern, func.count()).where(_T.app_id == app_id)
    if prefix is not None:
        # "0" follows "/": one range of the index, in which what begins with "prefix-" and "prefix." is left out.
        statement = statement.where(_T.pattern >= prefix, _T.pattern < prefix + "0")
        statement = statement.where(or_(_T.pattern == prefix, _T.pattern > prefix + "/"))
    if after is not None:
        statement = statement.where(_T.pattern > after)
    rows = session.execute(statement.group_by(_T.pattern).order_by(_T.pattern).limit(limit))
    return [TopicRow(*row) for row in rows]


def of_user(
    session: Session, app_id: int, user: str, *, after: str | None = None, limit: int = 100
) -> list[str]:
    """The patterns above `after` that a user is subscribed to, by their bytes; none for a user who is unknown."""
    statement = (
        select(_T.pattern)
        .join(t.users, _U.id == _T.user_id)
        .where(_U.app_id == app_id, _U.name == user, _T.app_id == app_id)
        .order_by(_T.pattern)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(_T.pattern > after)
    return list(session.scalars(statement))
