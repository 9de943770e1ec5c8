"""Hop 8 of 9, frames for single users: read out of the envelope, made once, joined per connection.

Rule S. The readable decoder is shared.protocol.envelope.decode, and a test holds both to the same meaning; this one
makes no objects and reads only the lines of users who are here, which takes a third of the time.
"""

from typing import Final

import gevent

from shared.protocol.envelope import TailFrame
from wsnode.dialects.dialect import Dialect
from wsnode.hub import Hub, Room
from wsnode.ledger import Ledger
from wsnode.ports import Peer, Took
from wsnode.sending import send

HEAD: Final = b"1 frames "
YIELD_EVERY: Final = 2000
"""Sends (about 12 ms) after which other connections get their turn."""


class Unicasts:
    """Takes `frames` envelopes; what is for one connection leaves with one call at `flush`."""

    def __init__(self, hub: Hub[Peer], ledger: Ledger, took: Took) -> None:
        """`took` is told of those that never confirm and whose kernel has taken their frames."""
        self._hub = hub
        self._ledger = ledger
        self._took = took
        self._head = b""
        self._app = self._epoch = ""
        self._bodies = 0
        self._dirty: list[Peer] = []

    def take(self, raw: bytes, now: int) -> Room[Peer] | None:
        """Deliver one envelope; returns the room if its epoch is not the one that its connections follow.

        `now` is epoch milliseconds. Raises ValueError for text that no worker of ours wrote.
        """
        lines = raw.split(b"\n")
        if lines[0] != self._head:
            self._read_head(lines[0])
        room = self._hub.known(self._app)
        if room is None or not room.connections:
            return None
        if room.epoch != self._epoch:
            return room
        by_user = room.by_user
        fragments: dict[bytes, bytes] = {}
        for line in lines[self._bodies + 1 :]:
            seq, prev, expires_at, body, user = line.split(b" ", 4)
            found = by_user.get(user.decode())
            if found is None:
                continue
            fragment = fragments.get(body)
            if fragment is None:
                request_id, _, fragment = lines[int(body) + 1].partition(b" ")
                fragments[body] = fragment
                self._ledger.note(request_id, fragment)
            alive = int(expires_at) > now
            frame = b""
            dialect: Dialect | None = None
            for peer in found if isinstance(found, tuple) else (found,):
                session, number = peer.session, int(seq)
                me = session.me
                if session.repair is None and me is not None and int(prev) <= me < number and alive:
                    session.me = number
                    if peer.dialect is not dialect:
                        dialect = peer.dialect
                        frame = dialect.notification("me", number, int(prev), fragment, session.user)
                    self._join(peer, frame)
                else:
                    peer.frame("me", TailFrame(number, int(prev), int(expires_at), fragment))
        return None

    def flush(self) -> None:
        """Send what is joined."""
        dirty, self._dirty = self._dirty, []
        taken: list[Peer] = []
        for count, peer in enumerate(dirty, 1):
            batch, peer.batch = peer.batch, None
            if batch:
                whole = send(peer, batch[0] if len(batch) == 1 else b"".join(batch))
                if whole and not peer.dialect.acks:
                    taken.append(peer)
            if count % YIELD_EVERY == 0:
                self._took(taken)
                taken = []
                gevent.sleep(0)
        self._took(taken)

    def _join(self, peer: Peer, frame: bytes) -> None:
        self._ledger.sent += 1
        if peer.batch is None:
            peer.batch = [frame]
            self._dirty.append(peer)
        else:
            peer.batch.append(frame)

    def _read_head(self, head: bytes) -> None:
        """App, epoch and number of bodies; remembered, because they are mostly those of the message before."""
        _, _, app, epoch, bodies = head.split(b" ")
        self._app, self._epoch, self._bodies = app.decode(), epoch.decode(), int(bodies)
        self._head = head
