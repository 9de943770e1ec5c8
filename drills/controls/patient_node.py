"""A node that waits for ever: for the end of a request, and for the first message."""

from wsnode.handler import NodeHandler
from wsnode.node import Node

FOR_EVER = 86_400.0


def _patience(_: NodeHandler) -> float:
    return FOR_EVER


def _sweep(self: Node, now: float) -> None:
    self._net.sweep(now, self._settings.write_deadline)


setattr(NodeHandler, "_patience", _patience)  # noqa: B010  # that is the control
setattr(Node, "_sweep", _sweep)  # noqa: B010

from wsnode.app import app  # noqa: E402  # after the change, because importing it builds the node

__all__ = ["app"]
