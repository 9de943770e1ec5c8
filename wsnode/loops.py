"""What a node does all the time: rounds that go on whatever one of them meets, and never at full speed after a fault.

Rule S. A part that ended would leave a node that only seems to work, one that tried again at once would keep it from
everything else. So a fault is logged and waited for, longer if the next round has one too. What a part itself knows to
handle (Redis is away) never comes here.
"""

from collections.abc import Callable
from typing import Final, Protocol

import gevent
from gevent.event import Event

from shared import logs, metrics

FIRST_BACK_OFF: Final = 0.5
LAST_BACK_OFF: Final = 10.0
"""Seconds between a round that failed and the next one."""

log = logs.get(__name__)


class Losable(Protocol):
    """A connection that a fault may end."""

    @property
    def name(self) -> str:
        """What the connection is called outside."""
        ...

    def lost(self, reason: str) -> None:
        """The socket is gone."""
        ...


def forever(round: Callable[[], None], *, part: str, wake: Event | None = None) -> gevent.Greenlet:
    """Begin to call `round` again and again; it waits itself for something to do, as by `wake`.

    After a fault `wake` is set: what the round had not done yet is there still. `part` is its name in log and metrics.
    """
    return gevent.spawn(_run, round, part, wake)


def each(*steps: Callable[[], None]) -> None:
    """Do one after the other, whatever the ones before met."""
    for step in steps:
        try:
            step()
        except Exception:
            log.exception("step_failed", step=getattr(step, "__qualname__", repr(step)))


def safely(peer: Losable, act: Callable[[], None]) -> None:
    """Do something to a connection; its fault ends it, and not the part that does the same to others."""
    try:
        act()
    except Exception:
        log.exception("connection_failed", connection=peer.name)
        each(lambda: peer.lost("a fault of ours"))


def _run(round: Callable[[], None], part: str, wake: Event | None) -> None:
    pause = FIRST_BACK_OFF
    while True:
        try:
            round()
        except Exception:
            metrics.part_failures_total.labels(part).inc()
            log.exception("part_failed", part=part, retry_in=pause)
            gevent.sleep(pause)
            pause = min(pause * 2, LAST_BACK_OFF)
            if wake is not None:
                wake.set()
        else:
            pause = FIRST_BACK_OFF
