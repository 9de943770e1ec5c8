"""Connections that opened and closed, on their way into Redis and from there into the log of connections.

Rule S. Gathered for a second and handed over together: 10,000 clients that come at once cost 20 calls, for which nobody
waits. What is over the bound is counted and left out: the log is for people, nothing depends on it.
"""

from typing import Final

import gevent
from gevent.event import Event

from shared import logs, metrics
from shared.clock import Clock
from shared.protocol.visit import Visit
from shared.redis.client import RedisUnavailable
from shared.redis.connection_log import ConnectionLog
from wsnode.loops import forever
from wsnode.ports import Peer

GATHER: Final = 1.0
BACK_OFF: Final = 1.0
BATCH: Final = 500
WAITING_MAX: Final = 20_000
"""Connections whose reports wait here, about 15 MiB."""

log = logs.get(__name__)


class Visits:
    """Gathers what is to be logged of connections; of each the newest report counts. With `addresses` also from where
    they came."""

    def __init__(self, node: str, connection_log: ConnectionLog, clock: Clock, *, addresses: bool) -> None:
        self._node = node
        self._log = connection_log
        self._clock = clock
        self._addresses = addresses
        self._waiting: dict[str, Visit] = {}
        self._wake = Event()

    def start(self) -> list[gevent.Greenlet]:
        """Begin to hand over."""
        return [forever(self._round, part="visits", wake=self._wake)]

    def opened(self, peer: Peer) -> None:
        """A connection has signed in. Never blocks."""
        self._add(self._visit(peer))

    def closed(self, peer: Peer, code: int, reason: str) -> None:
        """It is over. Never blocks."""
        self._add(self._visit(peer, code, reason))

    def flush(self) -> None:
        """Hand over what is gathered, as before the process ends."""
        try:
            self._write()
        except RedisUnavailable as error:
            log.warning("visits_not_written", waiting=len(self._waiting), error=error.message)

    def _visit(self, peer: Peer, code: int | None = None, reason: str | None = None) -> Visit:
        now = self._clock.now_ms()
        lasted = max(0, round((self._clock.monotonic() - peer.opened_at) * 1000))
        return Visit(
            connection=peer.name,
            node=self._node,
            app=peer.app,
            user=peer.user,
            opened_at=now - lasted,
            closed_at=None if code is None else now,
            code=code,
            reason=reason,
            sign_in=peer.sign_in,
            dialect=peer.dialect.name,
            address=(peer.address or None) if self._addresses else None,
        )

    def _add(self, visit: Visit) -> None:
        if len(self._waiting) >= WAITING_MAX and visit.connection not in self._waiting:
            metrics.visits_dropped_total.inc()
            return
        self._waiting[visit.connection] = visit
        self._wake.set()

    def _round(self) -> None:
        self._wake.wait()
        gevent.sleep(GATHER)
        self._wake.clear()
        try:
            self._write()
        except RedisUnavailable as error:
            log.warning("visits_not_written", waiting=len(self._waiting), error=error.message)
            gevent.sleep(BACK_OFF)
            self._wake.set()

    def _write(self) -> None:
        while self._waiting:
            taken = [self._waiting.pop(name) for name in list(self._waiting)[:BATCH]]
            try:
                refused = self._log.put(taken)
            except RedisUnavailable:
                for visit in taken:
                    self._waiting.setdefault(visit.connection, visit)
                raise
            except Exception:
                metrics.visits_dropped_total.inc(len(taken))  # whatever they hold, it would fail again
                raise
            metrics.visits_dropped_total.inc(refused)
