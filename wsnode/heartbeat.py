"""One timer for all connections: pings in slices, silence, ended tokens, every deadline.

Rule S. Runs in a callback of the event loop twenty times a second and touches a slice of the connections each time, so
that 10,000 pings are spread over the interval and an idle connection has no timer of its own.
"""

from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Final, Protocol

from shared.clock import Clock
from shared.protocol.close_codes import CloseCode
from wsnode.deadlines import Deadlines
from wsnode.expiry import Expiry
from wsnode.loops import each

TICK: Final = 0.05
SWEEP_EVERY: Final = 10
"""Ticks between two looks at blocked and closing sockets."""


class Beating(Protocol):
    """A connection as the heartbeat sees it."""

    heard: bool
    expires_at: int | None

    @property
    def open(self) -> bool:
        """Whether frames may still be sent."""
        ...

    def beat(self) -> None:
        """Send a ping."""
        ...

    def expiring(self) -> None:
        """Tell the client that its token ends soon."""
        ...

    def leave(self, code: CloseCode, reason: str, *, retry_after: float | None = None) -> None:
        """Say bye and close."""
        ...

    def lost(self, reason: str) -> None:
        """The socket is gone."""
        ...


class Heartbeat:
    """Walks the connections; `ping_interval` and `pong_wait` are in seconds."""

    def __init__(
        self,
        clock: Clock,
        *,
        ping_interval: float,
        pong_wait: float,
        everybody: Callable[[], list[Beating]],
        sweeps: list[Callable[[float], None]],
        slow_sweeps: list[Callable[[float], None]],
    ) -> None:
        self._clock = clock
        self._interval = ping_interval
        self._everybody = everybody
        self._sweeps = sweeps
        self._slow_sweeps = slow_sweeps
        self._round: list[Beating] = []
        self._slice = 0
        # A wait longer than a round would judge a connection by the ping of the next one.
        self._pinged: Deadlines[list[Beating]] = Deadlines(min(pong_wait, ping_interval * 0.9))
        self._expiry = Expiry(horizon=2 * ping_interval)
        self._ticks = 0
        self._round_ends = 0.0

    def tick(self) -> None:
        """Do what is due, each whatever the others meet; called each TICK seconds, never blocks."""
        now = self._clock.monotonic()
        self._ticks += 1
        slow = self._slow_sweeps if self._ticks % SWEEP_EVERY == 0 else []
        sweeps = (*self._sweeps, *slow, self._ping, self._hang_up_on_silent)
        each(*(partial(sweep, now) for sweep in sweeps), partial(self._expiry.tick, self._clock.now_ms()))

    def _hang_up_on_silent(self, now: float) -> None:
        for silent in self._pinged.take(now):
            for one in silent:
                if one.open and not one.heard:
                    one.lost("silent")

    def expires(self, one: Beating) -> None:
        """Watch the token of a connection that has just signed in, if it ends before the next round sees it."""
        self._expiry.watch(one, self._clock.now_ms())

    def _ping(self, now: float) -> None:
        if not self._round:
            if now < self._round_ends:
                return
            self._round = self._everybody()
            self._slice = max(1, ceil(len(self._round) * TICK / self._interval))
            self._round_ends = now + self._interval
        some, self._round = self._round[: self._slice], self._round[self._slice :]
        for one in some:
            if one.open:
                one.heard = False
                one.beat()
                self.expires(one)
        if some:
            self._pinged.add(some, now)
