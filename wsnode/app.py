"""The composition root of a node: settings, logs, the node, and the WSGI application that gunicorn loads.

Rule C. Loaded in the worker after gevent has replaced the blocking parts of the standard library.
"""

import os
import secrets
from typing import Any, Final

from shared import logs
from shared.clock import Clock, SystemClock
from shared.config import load_or_exit
from wsnode.http import StartResponse, respond
from wsnode.node import Node


class NodeApp:
    """Plain HTTP by calling it; `door` takes handshakes and sockets."""

    def __init__(self, door: Node, clock: Clock) -> None:
        self.door: Final = door
        self._clock = clock

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        """Answer one request that is no handshake."""
        return respond(environ, start_response, self.door, self._clock)


def make(environ: dict[str, str]) -> NodeApp:
    """Put a node together from the environment; it lives when the worker starts it."""
    settings = load_or_exit(environ)
    name = secrets.token_hex(6)
    logs.configure(settings, f"node.{name}")
    clock = SystemClock()
    return NodeApp(Node(settings, clock, name=name), clock)


app = make(dict(os.environ))
