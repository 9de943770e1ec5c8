"""A node that answers pings at once, past what is being written: as a second writer on the socket would."""

import contextlib

from wsnode import wire
from wsnode.transport import Transport


def _beside(self: Transport, payload: bytes) -> None:
    with contextlib.suppress(OSError):
        self.send(wire.pong(payload))


setattr(Transport, "pong", _beside)  # noqa: B010  # that is the control

from wsnode.app import app  # noqa: E402  # after the change, because importing it builds the node

__all__ = ["app"]
