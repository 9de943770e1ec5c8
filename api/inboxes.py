"""A user's inbox over HTTP: read it from the database, mark in it, and tell the user's open sockets.

Rule U. The database is the truth and is committed first; what Redis and the sockets are told afterwards may fail
without harm, since both are brought up to date at the next connect.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from shared import logs
from shared.clock import Clock
from shared.db import Database
from shared.redis.bus import Bus
from shared.redis.client import RedisUnavailable
from shared.redis.streams import Streams
from shared.services import inbox
from shared.services.inbox import Filter, Listing, Marked

log = logs.get(__name__)

IDS_PER_FRAME: Final = 500
"""A `state` frame names so many ids at most: 20 KB, far below what a slow client may have waiting."""


class Inboxes:
    """The inbox of whoever asks."""

    def __init__(self, database: Database, streams: Streams, bus: Bus, clock: Clock) -> None:
        self._database = database
        self._streams = streams
        self._bus = bus
        self._clock = clock

    def page(self, app: str, user: str, listing: Listing) -> dict[str, Any]:
        """Return a page."""
        with self._database.session() as session:
            found = inbox.page(session, app, user, listing, self._clock.now_ms())
        return {"items": found.items, "next": found.next}

    def counts(self, app: str, user: str) -> dict[str, int]:
        """Return the four numbers."""
        with self._database.session() as session:
            return asdict(inbox.counts_of(session, app, user, self._clock.now_ms()))

    def mark(self, app: str, user: str, action: str, what: Sequence[str] | Filter) -> dict[str, Any]:
        """Mark, commit, tell the user's devices."""
        now_ms = self._clock.now_ms()
        done = self._database.run(lambda session: inbox.mark(session, app, user, action, what, now_ms))
        if done.changed_ids:
            self._tell(app, user, done)
        return {"changed": len(done.changed_ids), "counts": asdict(done.counts)}

    def _tell(self, app: str, user: str, done: Marked) -> None:
        try:
            # The record first: whoever connects from now on is welcomed with these numbers.
            self._streams.put(app, done.epoch, done.app_top, done.record)
            for frame in state_frames(done):
                self._bus.state(app, user, frame)
        except RedisUnavailable as error:
            log.warning("state_not_told", app=app, reason=error.message)


def state_frames(done: Marked) -> Iterator[dict[str, Any]]:
    """Yield what the user's devices are told, in frames of a bounded size."""
    for start in range(0, len(done.changed_ids), IDS_PER_FRAME):
        yield {
            "type": "state",
            "ids": done.changed_ids[start : start + IDS_PER_FRAME],
            **done.fields,
            "counts": asdict(done.counts),
            "rev": done.rev,
        }
