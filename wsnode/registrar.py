"""Users coming to this node and leaving it, told to Redis in batches: one round trip for all who wait.

Rule S. A connection is in the hub before it is registered and its frames are held until the answer: so nothing falls
between reading the tail and following the stream.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import gevent
from gevent.event import Event

from shared import logs
from shared.redis.client import RedisUnavailable
from shared.redis.presence import Name, Presence
from shared.redis.streams import Connected, Since, Streams
from wsnode.batches import Batches
from wsnode.epochs import follow
from wsnode.hub import Hub
from wsnode.loops import forever, safely
from wsnode.ports import Peer
from wsnode.revoking import end, is_against

BATCH: Final = 100
"""Users in one round trip; each who comes may bring two tails."""
BACK_OFF: Final = 0.5

log = logs.get(__name__)


class Registrar:
    """Presence of this node's users."""

    def __init__(self, hub: Hub[Peer], streams: Streams, presence: Presence) -> None:
        self._hub = hub
        self._streams = streams
        self._presence = presence
        self._joining: Batches[tuple[Peer, Since]] = Batches(BATCH)
        self._leaving: Batches[Name] = Batches(BATCH)
        self._counting: Batches[Name] = Batches(BATCH)
        self._wake = Event()

    def start(self) -> list[gevent.Greenlet]:
        """Begin to register."""
        return [forever(self._round, part="registrar", wake=self._wake)]

    def join(self, peer: Peer, since: Since) -> None:
        """Register a connection, or read its record again; the answer is `peer.opened`. Never blocks."""
        self._joining.add((peer, since))
        self._wake.set()

    def again(self, app: str, users: Sequence[str]) -> None:
        """Read the records of these users again for all their connections here. Never blocks."""
        for user in users:
            for peer in self._hub.room(app).of(user):
                self.join(peer, peer.session.since)

    def leave(self, app: str, user: str) -> None:
        """The user's last connection here is gone. Never blocks."""
        self._leaving.add((app, user))
        self._wake.set()

    def count(self, app: str, user: str) -> None:
        """The user has more connections here than one, or fewer than before. Never blocks."""
        self._counting.add((app, user))
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
            self._leaving.give(self._leave)
        except RedisUnavailable as error:
            log.warning("presence_not_ended", users=len(self._leaving), error=error.message)

    def _round(self) -> None:
        self._wake.wait()
        self._wake.clear()
        # None of the three keeps the others waiting.
        reasons = [
            reason
            for reason in (
                _tried(lambda: self._joining.give(self._join)),
                _tried(lambda: self._leaving.give(self._leave)),
                _tried(lambda: self._counting.give(self._count)),
            )
            if reason
        ]
        if reasons:
            log.warning("registration_waits", joining=len(self._joining), error=reasons[0])
            gevent.sleep(BACK_OFF)
            self._wake.set()

    def _join(self, taken: Sequence[tuple[Peer, Since]]) -> None:
        batch = [(peer, since) for peer, since in taken if peer.open]
        if not batch:
            return
        sessions = [peer.sign_in_session for peer, _ in batch]
        users = [(peer.app, peer.user, since) for peer, since in batch]
        found = self._streams.connect(self._hub.node, users, sessions=sessions)
        for (peer, _), session, record in zip(batch, sessions, found, strict=True):
            safely(peer, partial(self._joined, peer, session, record))

    def _joined(self, peer: Peer, session: str | None, record: Connected) -> None:
        room = self._hub.room(peer.app)
        if record.epoch is not None:
            follow(room, record.epoch)
        if is_against(record.standing, peer, session):
            end(peer)
        elif peer.open:
            peer.opened(record)

    def _leave(self, taken: Sequence[Name]) -> None:
        # Whoever came back meanwhile stays: joins of this round are done, later ones come after this call.
        gone = [(app, user) for app, user in taken if not self._hub.room(app).of(user)]
        if gone:
            self._streams.disconnect(self._hub.node, gone)

    def _count(self, taken: Sequence[Name]) -> None:
        """Say how many connections users have here; who has none any more is not counted but taken out."""
        numbers = {name: number for name in taken if (number := len(self._hub.room(name[0]).of(name[1])))}
        if numbers:
            self._presence.count(self._hub.node, numbers)


def _tried(step: Callable[[], None]) -> str | None:
    """Why it could not be done to the end; None if it was."""
    try:
        step()
    except RedisUnavailable as error:
        return error.message
    except Exception as error:
        # A record that we cannot read costs the connections of its batch their time, not the node its life.
        log.exception("registration_failed")
        return repr(error)
    return None
