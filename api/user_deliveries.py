"""What became of everything that was for one user, over HTTP: "why did this user not get it".

Rule U.
"""

from typing import Any, Final

from api import instants
from api.validation import invalid
from shared.clock import Clock
from shared.db import Database
from shared.domain import paging
from shared.errors import NotFound
from shared.ids import is_uuid7
from shared.protocol.frames import author
from shared.store import apps, user_deliveries, users
from shared.store.user_deliveries import FIRST, Item, Place, Query

_CURSOR: Final = "user-deliveries"
_PAGE: Final = 50
Document = dict[str, Any]


class UserDeliveries:
    """The deliveries of users of whoever asks."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def page(self, app: str, name: str, query: Document) -> Document:
        """Return a page, newest first. Raises NotFound for an unknown user, InvalidRequest."""
        wanted = Query(
            _place(query.get("cursor")),
            query.get("limit", _PAGE),
            state=query.get("state"),
            event=query.get("event"),
            since=instants.read("since", query["since"]) if "since" in query else None,
        )
        now_ms = self._clock.now_ms()
        with self._database.session() as session:
            found = apps.get(session, app)
            user = users.get(session, found.id, name) if found else None
            if found is None or user is None:
                raise NotFound
            items, after = user_deliveries.page(session, found.id, user, wanted, now_ms=now_ms)
        following = None if after is None else paging.encode(_CURSOR, after.me, after.unplaced, after.all)
        return {"items": [_document(item) for item in items], "next": following}


def _place(cursor: str | None) -> Place:
    if cursor is None:
        return FIRST
    try:
        me, unplaced, all = paging.decode(_CURSOR, cursor, (int, str, int))
    except paging.BadCursor:
        raise invalid("cursor", "Not a cursor of this list.") from None
    if not is_uuid7(unplaced) and unplaced != FIRST.unplaced:
        raise invalid("cursor", "Not a cursor of this list.")
    if not (0 <= me <= FIRST.me and 0 <= all <= FIRST.all):
        raise invalid("cursor", "Not a cursor of this list.")
    return Place(me, unplaced, all)


def _document(item: Item) -> Document:
    times = ("accepted_at", "expires_at", "held_until", "released_at", "sent_at", "delivered_at")
    return {
        "notification": item.notification_id,
        "event": item.event,
        "from": author(item.sender),
        "state": item.state,
        "reason": item.reason,
        "stream": item.stream,
        "seq": item.seq,
        **{name: instants.write(getattr(item, name)) for name in (*times, "seen_at", "read_at")},
    }
