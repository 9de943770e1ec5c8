"""Going away politely: every client gets `bye` with a time to come back, spread over a window, then Close 4012.

Rule S. Cutting 10,000 clients at once would bring them all to the other nodes in the same second.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import gevent

from shared import logs
from shared.protocol.close_codes import CloseCode

STEP: Final = 0.05
LAST_WAIT: Final = 2.0
"""Seconds after the window for the last clients to answer Close."""

log = logs.get(__name__)


class Leaving(Protocol):
    """A connection as the drain sees it."""

    def leave(self, code: CloseCode, reason: str, *, retry_after: float | None = None) -> None:
        """Say bye and close."""
        ...


def drain(
    connections: Sequence[Leaving],
    *,
    window: float,
    retry: float,
    busy: Callable[[], int],
    draw: Callable[[], float] = random.random,
) -> None:
    """Close all in random order over `window` seconds, with a `retry_after` of up to `retry` seconds each.

    `busy` tells how many sockets are not shut yet; returns when none is, or after a last wait.
    """
    log.info("drain_begins", connections=len(connections), window=window)
    ordered = sorted(connections, key=lambda _: draw())
    steps = max(1, round(window / STEP))
    size = -(-len(ordered) // steps)
    for start in range(0, len(ordered), max(1, size)):
        for one in ordered[start : start + size]:
            one.leave(CloseCode.GOING_AWAY, "the node is going away", retry_after=round(draw() * retry, 3))
        gevent.sleep(STEP)
    deadline = LAST_WAIT
    while busy() and deadline > 0:
        gevent.sleep(STEP)
        deadline -= STEP
    log.info("drain_ends", left=busy())
