"""Who is online, and which connections a user had, over HTTP.

Rule U. Who is online now is asked of Redis; when the others were last here stands in the database, or for a second
still in Redis.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from api import instants
from api.validation import invalid
from shared.clock import Clock, to_datetime
from shared.db import Database
from shared.domain import paging
from shared.errors import NotFound
from shared.redis.presence import Presence, Present
from shared.store import apps, connection_logs, users
from shared.store.connection_logs import ConnectionRow, Place
from shared.store.presence import last_seen

_CURSOR: Final = "connections"
_PAGE: Final = 50
_LARGEST: Final = (1 << 63) - 1
_LATEST: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""
Document = dict[str, Any]


class Presences:
    """The presence of the users of whoever asks."""

    def __init__(self, database: Database, presence: Presence, clock: Clock) -> None:
        self._database = database
        self._presence = presence
        self._clock = clock

    def one(self, app: str, user: str) -> Document:
        """Tell it of one user, known or not. Raises RedisUnavailable."""
        return self.many(app, [user])[0]

    def many(self, app: str, names: Sequence[str]) -> list[Document]:
        """Tell it of users in the order of their names here; repeats are answered once. Raises RedisUnavailable."""
        wanted = list(dict.fromkeys(names))
        found = dict(zip(wanted, self._presence.read(app, wanted), strict=True))
        away = [name for name, present in found.items() if not present.online]
        seen: dict[str, datetime] = {}
        if away:
            with self._database.session() as session:
                seen = last_seen(session, app, away)
        now = to_datetime(self._clock.now_ms())
        return [_presence(name, present, seen.get(name), now) for name, present in found.items()]

    def connections(self, app: str, name: str, query: Document) -> Document:
        """Return a page of the log of a user's connections, newest first. Raises NotFound, InvalidRequest."""
        before, limit = _before(query.get("cursor")), query.get("limit", _PAGE)
        with self._database.session() as session:
            found = apps.get(session, app)
            user = users.get(session, found.id, name) if found else None
            if user is None:
                raise NotFound
            rows = connection_logs.of_user(session, user.id, before=before, limit=limit + 1)
        following = paging.encode(_CURSOR, *rows[limit - 1].place) if len(rows) > limit else None
        return {"items": [_connection(row) for row in rows[:limit]], "next": following}


def _before(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    try:
        opened_at, id = paging.decode(_CURSOR, cursor, (int, int))
    except paging.BadCursor:
        raise invalid("cursor", "Not a cursor of this list.") from None
    if not (0 < id <= _LARGEST and 0 <= opened_at <= _LATEST):
        raise invalid("cursor", "Not a cursor of this list.")
    return Place(opened_at, id)


def _presence(name: str, present: Present, stored: datetime | None, now: datetime) -> Document:
    noted = None if present.seen is None else to_datetime(present.seen)
    known = [at for at in (stored, noted) if at is not None]
    return {
        "user": name,
        "online": present.online,
        "last_seen": instants.write(now if present.online else max(known, default=None)),
        "connections": sum(number for _, number in present.nodes),
        "nodes": [{"node": node, "connections": number} for node, number in present.nodes],
    }


def _connection(row: ConnectionRow) -> Document:
    return {
        "connection": row.connection,
        "node": row.node,
        "opened_at": instants.write(row.opened_at),
        "closed_at": instants.write(row.closed_at),
        "code": row.code,
        "reason": row.reason,
        "duration": None if row.duration is None else row.duration / 1000,
        "sign_in": row.sign_in,
        "dialect": row.dialect,
        "address": row.address,
    }
