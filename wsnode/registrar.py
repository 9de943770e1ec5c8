"""Users coming to this node and leaving it, told to Redis in batches: one round trip for all who wait.

Rule S. A connection is in the hub before it is registered and its frames are held until the answer: so nothing falls
between reading the tail and following the stream.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import gevent
from gevent.event import Event

from shared import logs
from shared.redis.client import RedisUnavailable
from shared.redis.presence import Presence
from shared.redis.streams import Since, Streams
from wsnode.epochs import follow
from wsnode.hub import Hub
from wsnode.ports import Peer
from wsnode.revoking import end

BATCH: Final = 100
"""Registrations in one round trip, each of which may bring two tails."""
BACK_OFF: Final = 0.5

log = logs.get(__name__)


class Registrar:
    """Presence of this node's users."""

    def __init__(self, hub: Hub[Peer], streams: Streams, presence: Presence) -> None:
        self._hub = hub
        self._streams = streams
        self._presence = presence
        self._joining: deque[tuple[Peer, Since]] = deque()
        self._leaving: dict[tuple[str, str], None] = {}
        self._counting: dict[tuple[str, str], None] = {}
        self._size = BATCH
        self._wake = Event()

    def start(self) -> list[gevent.Greenlet]:
        """Begin to register."""
        return [gevent.spawn(self._run)]

    def join(self, peer: Peer, since: Since) -> None:
        """Register a connection, or read its record again; the answer is `peer.opened`. Never blocks."""
        self._joining.append((peer, since))
        self._wake.set()

    def again(self, app: str, users: Sequence[str]) -> None:
        """Read the records of these users again for all their connections here. Never blocks."""
        for user in users:
            for peer in self._hub.room(app).of(user):
                self.join(peer, peer.session.since)

    def leave(self, app: str, user: str) -> None:
        """The user's last connection here is gone. Never blocks."""
        self._leaving[app, user] = None
        self._wake.set()

    def count(self, app: str, user: str) -> None:
        """The user has more connections here than one, or fewer than before. Never blocks."""
        self._counting[app, user] = None
        self._wake.set()

    def recount(self) -> None:
        """Say again who has more than one, as after Redis forgot it. Never blocks."""
        for room in self._hub.rooms():
            for user in room.users():
                if len(room.of(user)) > 1:
                    self.count(room.app, user)

    def flush(self) -> None:
        """Take out who has left, as before the process ends; presence ends with the lease anyway."""
        try:
            self._leave_some()
        except RedisUnavailable as error:
            log.warning("presence_not_ended", users=len(self._leaving), error=error.message)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            try:
                while self._joining:
                    self._join_some()
                self._leave_some()
                self._count_some()
            except RedisUnavailable as error:
                log.warning("registration_waits", joining=len(self._joining), error=error.message)
                gevent.sleep(BACK_OFF)
                self._wake.set()
            except Exception:
                # A record that we cannot read costs the connections of its batch their time, not the node its life.
                log.exception("registration_failed")
                self._wake.set()

    def _join_some(self) -> None:
        taken = [self._joining.popleft() for _ in range(min(self._size, len(self._joining)))]
        batch = [(peer, since) for peer, since in taken if peer.open]
        if not batch:
            return
        try:
            found = self._streams.connect(
                self._hub.node,
                [(peer.app, peer.user, since) for peer, since in batch],
                sessions=[peer.sign_in_session for peer, _ in batch],
            )
        except RedisUnavailable:
            # Behind the others and in smaller company: one that Redis refuses for itself holds up nobody else.
            self._joining.extend(batch)
            self._size = max(1, self._size // 2)
            raise
        self._size = min(BATCH, self._size * 2)
        for (peer, _), record in zip(batch, found, strict=True):
            room = self._hub.room(peer.app)
            if record.epoch is not None:
                follow(room, record.epoch)
            if not record.standing.allows(peer.issued_at):
                end(peer)
            elif peer.open:
                peer.opened(record)

    def _leave_some(self) -> None:
        taken, self._leaving = self._leaving, {}
        # Whoever came back meanwhile stays: joins of this round are done, later ones come after this call.
        gone = [(app, user) for app, user in taken if not self._hub.room(app).of(user)]
        if not gone:
            return
        try:
            self._streams.disconnect(self._hub.node, gone)
        except RedisUnavailable:
            self._leaving = taken | self._leaving
            raise

    def _count_some(self) -> None:
        """Say how many connections users have here; who has none any more is not counted but taken out."""
        taken, self._counting = self._counting, {}
        numbers = {name: number for name in taken if (number := len(self._hub.room(name[0]).of(name[1])))}
        if not numbers:
            return
        try:
            self._presence.count(self._hub.node, numbers)
        except RedisUnavailable:
            self._counting = taken | self._counting
            raise
