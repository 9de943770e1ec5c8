"""What a node is made of and runs by itself: greenlets that must not end.

Rule S. Whoever has some starts them and hands them over; a part that ends takes the node with it, and the process
that watches it starts another.
"""

import os
import signal
from collections.abc import Iterable
from typing import Protocol

import gevent

from shared import logs

log = logs.get(__name__)


class Part(Protocol):
    """Something that lives as long as its node."""

    def start(self) -> list[gevent.Greenlet]:
        """Begin."""
        ...


def start(parts: Iterable[Part]) -> list[gevent.Greenlet]:
    """Begin all of them, in their order."""
    greenlets = [greenlet for part in parts for greenlet in part.start()]
    for greenlet in greenlets:
        greenlet.link_exception(_failed)
    return greenlets


def _failed(greenlet: gevent.Greenlet) -> None:
    """A part ended that never should: better no node than one that only seems to work."""
    log.critical("part_failed", part=repr(greenlet), error=repr(greenlet.exception))
    os.kill(os.getpid(), signal.SIGTERM)
