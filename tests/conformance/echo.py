"""A node's handler, handshake and transport with an echo behind them, for the Autobahn fuzzing client.

Autobahn judges a server by what it sends back, and a node understands only its own frames. The limits are those that
Autobahn's largest cases need, far above the node's; nothing else differs from a node.

    gunicorn tests.conformance.echo:app -k wsnode.worker.NodeWorker --bind 127.0.0.1:9001 --no-control-socket
"""

import _socket
import os
from typing import Any

import gevent

from shared.clock import SystemClock
from shared.config import load_or_exit
from shared.protocol.close_codes import CloseCode
from wsnode import handshake, wire
from wsnode.frame_parser import BINARY, Binary, Event, Ping, Text
from wsnode.handshake import Accepted, Request
from wsnode.net import Limits, Net
from wsnode.rate import Rate
from wsnode.transport import Transport

SIZE_MAX = 64 * 1024 * 1024
ENOUGH = Rate(1_000_000.0, 60.0)


class Echo(Transport):
    """Sends every message back as it came."""

    def received(self, event: Event) -> None:
        if isinstance(event, Text):
            self.write(wire.text(event.data.encode()))
        elif isinstance(event, Binary):
            framed = wire.text(event.data)
            self.write(bytes([0x80 | BINARY]) + framed[1:])
        elif isinstance(event, Ping):
            self.pong(event.payload)

    def ended(self, code: int, reason: str) -> None:
        pass

    def leave(self, code: CloseCode, reason: str, *, retry_after: float | None = None) -> None:
        self.close(code, reason)


class EchoDoor:
    """Takes everybody."""

    handshake_deadline = 10.0

    def __init__(self) -> None:
        self._settings = load_or_exit(dict(os.environ))
        self._clock = SystemClock()
        limits = Limits(
            frame_max=SIZE_MAX,
            fragments_max=1_000_000,
            outbox_bytes=SIZE_MAX,
            hold_bytes=SIZE_MAX,
            messages=ENOUGH,
            controls=ENOUGH,
            message_deadline=60.0,
        )
        self._net = Net(gevent.get_hub().loop, self._clock, limits)

    def decide(self, request: Request) -> Accepted:
        return handshake.decide(request, self._settings, now=self._clock.now_ms())

    def enter(self, sock: _socket.socket, ahead: bytes, accepted: Accepted) -> None:
        Echo(sock, self._net).watch(ahead)

    def start(self) -> None:
        gevent.spawn(self._sweep)

    def drain(self) -> None:
        pass

    def _sweep(self) -> None:
        while True:
            gevent.sleep(0.5)
            self._net.sweep(self._clock.monotonic(), 60.0)


class EchoApp:
    """Plain HTTP is not found."""

    def __init__(self) -> None:
        self.door = EchoDoor()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("404 Not Found", [("Content-Length", "0")])
        return []


app = EchoApp()
