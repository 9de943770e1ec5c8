"""What all sockets of a node share: limits, deadlines, one read buffer, one idle parser.

Shared so that an idle connection holds none of it.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Protocol

from shared.clock import Clock
from shared.config import Settings
from wsnode.deadlines import Deadlines
from wsnode.frame_parser import FrameParser
from wsnode.rate import Rate
from wsnode.walls import BURST

CLOSE_WAIT: Final = 3.0
"""Seconds that a client has to answer our Close frame, or to take what is before it."""

_READ_MAX: Final = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds every socket of a node, in bytes, frames and seconds."""

    frame_max: int
    fragments_max: int
    outbox_bytes: int
    hold_bytes: int
    messages: Rate
    controls: Rate
    message_deadline: float
    """Seconds that a message may take from its first byte to its last."""


def limits_of(settings: Settings) -> Limits:
    """The limits that are set."""
    return Limits(
        frame_max=settings.frame_max,
        fragments_max=settings.fragments_max,
        outbox_bytes=settings.outbox_bytes,
        hold_bytes=settings.hold_bytes,
        messages=Rate(settings.message_rate, BURST),
        controls=Rate(settings.control_rate, BURST),
        message_deadline=settings.message_deadline,
    )


class Timed(Protocol):
    """A socket as the timer sees it."""

    def too_late(self) -> None:
        """The client did not answer our Close frame in time."""
        ...

    def message_too_late(self, now: float) -> None:
        """Cut off a client whose message is under way for too long."""
        ...

    def write_too_late(self, now: float, deadline: float) -> None:
        """Cut off a client whose kernel buffer took nothing for `deadline` seconds."""
        ...


class State(IntEnum):
    """Where a socket is in its life."""

    OPEN = 0
    CLOSING = 1
    """A Close frame is sent or queued; waiting for the client's."""
    HANGING_UP = 2
    """Both sides have said Close, or there is nothing to wait for: send FIN as soon as the outbox is empty."""
    CLOSED = 3


class Net:
    """Event loop, clock and everything that sockets need only for moments."""

    def __init__(self, loop: Any, clock: Clock, limits: Limits) -> None:
        self.loop = loop
        self.clock = clock
        self.limits = limits
        self.buffer = memoryview(bytearray(_READ_MAX))
        self.spare = self.parser()
        self.sockets = 0
        """Sockets that are not shut yet."""
        self.closing: Deadlines[Timed] = Deadlines(CLOSE_WAIT)
        self.partial: set[Timed] = set()
        """Sockets with half a frame or half a message."""
        self.blocked: set[Timed] = set()
        """Sockets with an outbox."""

    def parser(self) -> FrameParser:
        """A new parser; the spare one serves every connection that has nothing half received."""
        return FrameParser(size_max=self.limits.frame_max, fragments_max=self.limits.fragments_max)

    def sweep(self, now: float, write_deadline: float) -> None:
        """Cut off who kept us waiting too long; called each second or so."""
        for socket in self.closing.take(now):
            socket.too_late()
        for socket in list(self.partial):
            socket.message_too_late(now)
        for socket in list(self.blocked):
            socket.write_too_late(now, write_deadline)
