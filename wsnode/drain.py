"""Going away politely: every client gets `bye` with a time to come back, spread over a window, then Close 4012.

Rule S. Cutting 10,000 clients at once would bring them all to the other nodes in the same second. Whoever still waits
for a reply is put off until it is there, for a while: after the Close nothing can be said any more.
"""

import random
import time
from collections.abc import Callable, Sequence
from math import ceil
from typing import Final, Protocol

import gevent

from shared import logs
from shared.protocol.close_codes import CloseCode

STEP: Final = 0.05
REPLY_WAIT: Final = 1.0
"""Seconds that a client is put off for a reply; within the last wait, for those of the window's end."""

LAST_WAIT: Final = 2.0
"""Seconds after the window for the last clients to get their replies and to answer Close."""

_LOOK_EVERY: Final = 0.01
_TRIES: Final = ceil(REPLY_WAIT / STEP)

log = logs.get(__name__)


class Leaving(Protocol):
    """A connection as the drain sees it."""

    @property
    def waits(self) -> bool:
        """Whether something that the client sent waits for its reply."""
        ...

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
    size = max(1, -(-len(ordered) // steps))
    put_off: list[tuple[Leaving, int]] = []
    for start in range(0, len(ordered), size):
        put_off = _send_away(
            [*put_off, *((one, _TRIES) for one in ordered[start : start + size])], retry, draw
        )
        gevent.sleep(STEP)
    deadline = LAST_WAIT
    while (put_off or busy()) and deadline > 0:
        put_off = _send_away(put_off, retry, draw)
        gevent.sleep(STEP)
        deadline -= STEP
    log.info("drain_ends", left=busy())


def finish(*parts: Callable[[], bool], wait: float) -> bool:
    """Wait until all of these are idle at once, `wait` seconds at most; whether they are."""
    deadline = time.monotonic() + wait
    while not all(idle() for idle in parts):
        if time.monotonic() >= deadline:
            return False
        gevent.sleep(_LOOK_EVERY)
    return True


def _send_away(
    some: Sequence[tuple[Leaving, int]], retry: float, draw: Callable[[], float]
) -> list[tuple[Leaving, int]]:
    """Close these but those who wait for a reply; them, with how often they may still be put off."""
    put_off: list[tuple[Leaving, int]] = []
    for one, tries in some:
        if one.waits and tries:
            put_off.append((one, tries - 1))
            continue
        try:
            one.leave(CloseCode.GOING_AWAY, "the node is going away", retry_after=round(draw() * retry, 3))
        except Exception:
            log.exception("leave_failed")  # one that cannot be closed must not keep the others from going
    return put_off
