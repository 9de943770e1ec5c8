"""Who comes and leaves, told to everybody of the app who speaks a dialect of an earlier design. By a setting.

Rule S. Each join is a frame for each such connection, which grows with the square of the users: over so many a second
they are counted and not told. Clients that want to be sure watch (wsnode.watching).
"""

from typing import Final

import gevent

from shared import metrics
from shared.clock import Clock, rfc3339
from shared.protocol.presence import Presence as Told
from wsnode.dialects.dialect import Once
from wsnode.hub import Hub
from wsnode.ports import Peer
from wsnode.rate import Rate
from wsnode.unicasts import YIELD_EVERY

RATE: Final = Rate(20, 5)
"""Announcements of all apps together, a second; five seconds' worth at once."""


def signal(found: Told) -> Once:
    """The `signal` frame, made once a dialect."""
    doc = {
        "type": "signal",
        "signal": "presence",
        "user": found.user,
        "online": found.online,
        "at": rfc3339(found.at),
    }
    return Once(lambda dialect: dialect.signal(doc))


class Announcing:
    """Tells everybody whose dialect has a word for it and never confirms; nobody is told of oneself."""

    def __init__(self, hub: Hub[Peer], clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._budget_at = 0.0

    def told(self, found: Told) -> None:
        """Redis says that a user came or left."""
        room = self._hub.known(found.app)
        if room is None or not room.connections:
            return
        due = RATE.after(self._budget_at, self._clock.monotonic())
        if due is None:
            metrics.announcements_dropped_total.inc()
            return
        self._budget_at = due
        frame = signal(found)
        for count, peer in enumerate(list(room.connections.values()), 1):
            if not peer.dialect.acks and peer.user != found.user and peer.open:
                peer.tell(frame.of(peer.dialect))
            if count % YIELD_EVERY == 0:
                gevent.sleep(0)
