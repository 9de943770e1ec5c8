"""Acks on their way into Redis: gathered for 50 ms, merged in one call; a `receipts` job each 200 ms at most.

Rule S. What Redis did not take is merged again: an ack is cumulative, so nothing is lost by waiting. Of who leaves
it is merged at once: a client that comes back on another node is not to be sent the same again.
"""

from typing import Final

import gevent
from gevent.event import Event

from shared import logs, metrics
from shared.protocol.jobs import Receipts as ReceiptsJob
from shared.queue import JobQueue, QueueUnavailable
from shared.redis.acks import Ack, Acks
from shared.redis.client import RedisUnavailable
from wsnode import events as say
from wsnode.ports import Peer

GATHER: Final = 0.05
BACK_OFF: Final = 1.0
BATCH: Final = 1000
"""Acks per call: about 2 ms of Redis's time."""

log = logs.get(__name__)


class Receipts:
    """Gathers what clients confirm."""

    def __init__(self, acks: Acks, queue: JobQueue) -> None:
        self._acks = acks
        self._queue = queue
        self._pending: dict[tuple[str, str], tuple[int, int]] = {}
        self._wake = Event()
        self._hurry = Event()
        self._owed = False

    def start(self) -> list[gevent.Greenlet]:
        """Begin to merge."""
        return [gevent.spawn(self._run)]

    def add(self, peer: Peer, acked: say.Acked) -> None:
        """Take what one client confirms. Never blocks."""
        self._merge((peer.app, peer.user), acked.me, acked.all)
        self._wake.set()

    def gone(self, peer: Peer) -> None:
        """A client has left, and may be back within a moment. Never blocks."""
        if (peer.app, peer.user) in self._pending:
            self._hurry.set()

    def flush(self) -> None:
        """Write what is gathered, as before the process ends; what Redis refuses the clients will say again."""
        try:
            self._write()
        except (RedisUnavailable, QueueUnavailable) as error:
            log.warning("acks_not_written", waiting=len(self._pending), error=error.message)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._hurry.wait(GATHER)
            self._hurry.clear()
            self._wake.clear()
            try:
                self._write()
            except (RedisUnavailable, QueueUnavailable) as error:
                log.warning("acks_not_written", waiting=len(self._pending), error=error.message)
                gevent.sleep(BACK_OFF)
            if self._pending or self._owed:
                self._wake.set()

    def _write(self) -> None:
        taken, self._pending = self._pending, {}
        acks = [Ack(app, user, me, everyone) for (app, user), (me, everyone) in taken.items()]
        try:
            for start in range(0, len(acks), BATCH):
                if self._acks.merge(acks[start : start + BATCH]):
                    self._owed = True
        except RedisUnavailable:
            for key, (me, everyone) in taken.items():
                self._merge(key, me, everyone)
            raise
        metrics.acks_total.inc(len(acks))
        # Refused = another job was asked for moments ago and may have run before our acks came: ask again later.
        if self._owed and self._acks.nudge():
            self._queue.enqueue(ReceiptsJob())
            self._owed = False

    def _merge(self, key: tuple[str, str], me: int, everyone: int) -> None:
        before = self._pending.get(key, (0, 0))
        self._pending[key] = max(before[0], me), max(before[1], everyone)
