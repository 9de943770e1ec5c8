"""Hop 8 of 9, frames for everyone: one blob a dialect for all in step, runs of them joined.

Rule S. A run that came with one read leaves with one send per connection: so a node that fell behind catches up
instead of collapsing (joined runs went out 18 times as fast as single ones).
"""

import gevent

from shared.protocol.envelope import All, TailFrame
from wsnode.dialects.dialect import Dialect, Once
from wsnode.hub import Room
from wsnode.ledger import Ledger
from wsnode.ports import Peer, Took
from wsnode.sending import send
from wsnode.unicasts import YIELD_EVERY


class Broadcasts:
    """Gathers a run of one app's `all` stream until `flush`."""

    def __init__(self, ledger: Ledger, took: Took) -> None:
        """`took` is told of those that never confirm and whose kernel has taken the frame."""
        self._ledger = ledger
        self._took = took
        self._room: Room[Peer] | None = None
        self.run: list[TailFrame] = []
        """Frames that wait; each begins where the one before it ended."""

    def take(self, room: Room[Peer], found: All, now: int) -> None:
        """Add one frame to the run; `now` is epoch milliseconds."""
        frame = found.frame
        self._ledger.note(found.request_id, frame.fragment)
        if self.run and (room is not self._room or self.run[-1].seq != frame.prev):
            self.flush()
        if frame.expires_at <= now:
            self.flush()
            for user in room.users():
                self._apart(room, user, frame)
            return
        if frame.excluded:
            # They get a position now and are past the frame when the others get it.
            self.flush()
            for user in frame.excluded:
                self._apart(room, user, frame)
        self._room = room
        self.run.append(frame)
        if frame.excluded:
            self.flush()

    def flush(self) -> None:
        """Send the run."""
        run, self.run, room = self.run, [], self._room
        if not run or room is None:
            return
        blobs = Once(
            lambda one: b"".join(one.notification("all", f.seq, f.prev, f.fragment, None) for f in run)
        )
        dialect: Dialect | None = None
        blob, acks = b"", True
        prev, first, last = run[0].prev, run[0].seq, run[-1].seq
        taken: list[Peer] = []
        for count, peer in enumerate(list(room.connections.values()), 1):
            session = peer.session
            everyone = session.all
            if session.repair is None and everyone is not None and prev <= everyone < first:
                session.all = last
                if peer.dialect is not dialect:
                    dialect = peer.dialect
                    blob, acks = blobs.of(dialect), dialect.acks
                if send(peer, blob) and not acks:
                    taken.append(peer)
                self._ledger.sent += len(run)
            else:
                for frame in run:
                    peer.frame("all", frame)
            if count % YIELD_EVERY == 0:
                self._took(taken)
                taken = []
                gevent.sleep(0)
        self._took(taken)

    @staticmethod
    def _apart(room: Room[Peer], user: str, frame: TailFrame) -> None:
        for peer in room.of(user):
            peer.frame("all", frame)
