"""Who is subscribed to which topic, over HTTP.

Rule U. A topic is nothing but the text that its subscribers named: it begins with the first and ends with the last.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from api import instants
from api.schemas.topics import PATTERN
from api.validation import check_at, invalid
from shared.clock import Clock
from shared.db import Database
from shared.domain import paging
from shared.errors import NotFound
from shared.store import apps, subscriptions, users

_PAGE: Final = 100
_TOPICS: Final = "topics"
_SUBSCRIBERS: Final = "subscribers"
_OF_USER: Final = "subscriptions"
Document = dict[str, Any]


class Subscriptions:
    """The subscriptions in the app of whoever asks."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, app: str, topic: str, names: Sequence[str]) -> int:
        """Subscribe users, unknown ones too; how many were not before. Raises NotFound for an unknown app."""
        now_ms = self._clock.now_ms()
        return self._database.run(
            lambda session: subscriptions.subscribe(session, _app(session, app), topic, names, now_ms=now_ms)
        )

    def remove(self, app: str, topic: str, names: Sequence[str]) -> int:
        """Unsubscribe users; how many were subscribed. Raises NotFound for an unknown app."""
        return self._database.run(
            lambda session: subscriptions.unsubscribe(session, _app(session, app), topic, names)
        )

    def topics(self, app: str, query: Document) -> Document:
        """A page of the topics and wildcards that have subscribers, in the order of their text."""
        after, limit = _after(_TOPICS, query), query.get("limit", _PAGE)
        with self._database.session() as session:
            # One more than asked for, to know whether there is a next page; so in each list here.
            rows = subscriptions.topics(
                session, _app(session, app), prefix=query.get("prefix"), after=after, limit=limit + 1
            )
        items = [{"topic": row.topic, "subscribers": row.subscribers} for row in rows[:limit]]
        return {"items": items, "next": _next(_TOPICS, [row.topic for row in rows], limit)}

    def subscribers(self, app: str, topic: str, query: Document) -> Document:
        """A page of who is subscribed to exactly `topic`; none if nobody is."""
        after, limit = _after_user(query), query.get("limit", _PAGE)
        with self._database.session() as session:
            rows = subscriptions.page(session, _app(session, app), topic, after=after, limit=limit + 1)
        items = [{"user": row.user, "subscribed_at": instants.write(row.created_at)} for row in rows[:limit]]
        return {"items": items, "next": _next(_SUBSCRIBERS, [row.user_id for row in rows], limit)}

    def of_user(self, app: str, user: str, query: Document) -> Document:
        """A page of what a user is subscribed to, in the order of the text. Raises NotFound for an unknown user."""
        after, limit = _after(_OF_USER, query), query.get("limit", _PAGE)
        with self._database.session() as session:
            app_id = _app(session, app)
            if users.get(session, app_id, user) is None:
                raise NotFound
            rows = subscriptions.of_user(session, app_id, user, after=after, limit=limit + 1)
        return {"items": [{"topic": topic} for topic in rows[:limit]], "next": _next(_OF_USER, rows, limit)}


def _next(kind: str, positions: Sequence[int | str], limit: int) -> str | None:
    """The cursor of the following page, if there is one."""
    return paging.encode(kind, positions[limit - 1]) if len(positions) > limit else None


def _after(kind: str, query: Document) -> str | None:
    """The topic after which the page begins."""
    if (cursor := query.get("cursor")) is None:
        return None
    after = _position(kind, cursor, str)
    check_at("cursor", PATTERN, after)
    return str(after)


def _after_user(query: Document) -> int:
    """The number of the user after whom the page begins."""
    cursor = query.get("cursor")
    return 0 if cursor is None else int(_position(_SUBSCRIBERS, cursor, int))


def _position(kind: str, cursor: str, wanted: type) -> Any:
    try:
        (position,) = paging.decode(kind, cursor, (wanted,))
    except paging.BadCursor:
        raise invalid("cursor", "Not a cursor of this list.") from None
    return position


def _app(session: Session, name: str) -> int:
    found = apps.get(session, name)
    if found is None:
        raise NotFound
    return found.id
