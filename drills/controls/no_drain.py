"""A node that ends at SIGTERM without a word to its clients."""

from wsnode.node import Node


def _leave_at_once(self: Node) -> None:
    self._draining = True


Node.drain = _leave_at_once  # type: ignore[method-assign]  # that is the control

from wsnode.app import app  # noqa: E402  # after the change, as the worker class finds it

__all__ = ["app"]
