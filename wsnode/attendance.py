"""What a node does about presence: registers its users, knows who watches whom, announces, logs connections.

Rule C. Puts these parts together, so that the node has one of them to ask.
"""

import gevent

from shared.clock import Clock
from shared.config import Settings
from shared.protocol.presence import Presence as Told
from shared.redis.client import Client
from shared.redis.connection_log import ConnectionLog
from shared.redis.presence import Presence
from shared.redis.streams import Since, Streams
from wsnode.announcing import Announcing
from wsnode.hub import Hub
from wsnode.messages import Unwatch, Waiting, Watch
from wsnode.ports import Peer
from wsnode.registrar import Registrar
from wsnode.visits import Visits
from wsnode.watching import Watching


def streams_of(settings: Settings, client: Client) -> Streams:
    """The adapter of a node, which says how presence is told."""
    grace, everybody = settings.presence_grace, settings.presence_broadcast
    return Streams(client, life=settings.stream_life, grace=grace, everybody=everybody)


class Attendance:
    """The parts, by what happens."""

    def __init__(
        self, settings: Settings, clock: Clock, hub: Hub[Peer], client: Client, streams: Streams
    ) -> None:
        grace, everybody = settings.presence_grace, settings.presence_broadcast
        presence = Presence(client, grace=grace, everybody=everybody)
        self._hub = hub
        self.registrar = Registrar(hub, streams, presence)
        self._watching = Watching(hub.node, presence, clock, most=settings.watch_max)
        self._announcing = Announcing(hub, clock) if everybody else None
        self._visits: Visits | None = None
        if settings.connection_log_life:
            self._visits = Visits(
                hub.node, ConnectionLog(client), clock, addresses=settings.connection_log_address
            )

    def start(self) -> list[gevent.Greenlet]:
        """Begin."""
        found = self.registrar.start() + self._watching.start()
        return found + (self._visits.start() if self._visits else [])

    def flush(self) -> None:
        """Take out who has left and hand over what is gathered, as before the process ends."""
        self.registrar.flush()
        if self._visits:
            self._visits.flush()

    def joined(self, peer: Peer, since: Since) -> None:
        """A connection has signed in and is in the hub."""
        if len(self._hub.room(peer.app).of(peer.user)) > 1:
            self.registrar.count(peer.app, peer.user)
        self.registrar.join(peer, since)
        if self._visits:
            self._visits.opened(peer)

    def left(self, peer: Peer, code: int, reason: str) -> None:
        """One that had signed in is over."""
        last = self._hub.remove(peer.app, peer)
        (self.registrar.leave if last else self.registrar.count)(peer.app, peer.user)
        self._watching.left(peer)
        if self._visits:
            self._visits.closed(peer, code, reason)

    def told(self, found: Told) -> None:
        """Redis says that a user came or left."""
        self._watching.told(found)
        if self._announcing:
            self._announcing.told(found)

    def watch(self, peer: Peer, watch: Watch | Unwatch, asked: Waiting) -> None:
        """A client watches users, or some of them no more; the answer comes by `reply` of `asked`."""
        if isinstance(watch, Watch):
            self._watching.watch(peer, watch, asked)
        else:
            self._watching.unwatch(peer, watch, asked)
