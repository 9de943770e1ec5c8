"""One WebSocket connection through `websocket-client`: the only file that knows that library.

Waiting is done by a selector and not by the library's time limit, because that limit would also cut writes short;
and a waiting thread can be woken, which the library does not offer.
"""

import contextlib
import json
import selectors
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import websocket
from websocket import ABNF

CONNECT_WAIT = 10.0
IO_WAIT = 10.0
"""How long one write, or the rest of a frame that has begun, may take."""
ABNORMAL = 1006
"""RFC 6455 section 7.4.1: the connection ended without a close frame."""
NO_CODE = 1005
REASON_MOST = 123
"""RFC 6455 section 5.5: a control frame holds 125 bytes, two of them the code."""


@dataclass(frozen=True, slots=True)
class Text:
    """A message."""

    text: str


@dataclass(frozen=True, slots=True)
class Alive:
    """A control frame: nothing to do, but the other side lives."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over. `retry_after` is what a refusal before the upgrade asked for."""

    code: int
    reason: str = ""
    retry_after: float | None = None


class Transport(Protocol):
    """What the client needs of a connection."""

    def send(self, text: str) -> None:
        """Write one text message; from any thread. A broken connection is told by `receive`, not here."""

    def receive(self, timeout: float | None) -> Text | Alive | Closed | None:
        """The next thing, or None after `timeout` seconds or a `wake`."""

    def wake(self) -> None:
        """Make a waiting `receive` return; from any thread."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame if possible and let the socket go, without waiting for the other side."""


Dial = Callable[[str, list[str]], Transport | Closed]
"""Connect to an address with these headers; a refusal is a `Closed`."""


def dial(url: str, headers: list[str]) -> Transport | Closed:
    """Open a WebSocket connection; a refusal or failure comes back as `Closed`."""
    try:
        # No Origin: it says which page asks, and we are none.
        connection = websocket.create_connection(
            url, timeout=CONNECT_WAIT, header=headers, suppress_origin=True
        )
    except websocket.WebSocketBadStatusException as refused:
        return refusal(refused.status_code, refused.resp_headers or {}, refused.resp_body or b"")
    except (OSError, ValueError, websocket.WebSocketException) as failed:
        return Closed(ABNORMAL, f"{type(failed).__name__}: {failed}")
    return WebSocketTransport(connection)


def refusal(status: int, headers: dict[str, str], body: bytes) -> Closed:
    """Read an answer other than 101: the codes are those the server would have closed with."""
    try:
        error = json.loads(body)["error"]
        code, reason = str(error["code"]), f"{status} {error['code']}: {error['message']}"
    except (ValueError, KeyError, TypeError):
        code, reason = "", f"refused with status {status}"
    after = headers.get("retry-after", "")
    seconds = float(after) if after.isdecimal() else None
    if code == "token_expired":
        return Closed(4011, reason, seconds)
    return Closed({401: 4001, 403: 4003, 429: 4029}.get(status, ABNORMAL), reason, seconds)


class WebSocketTransport:
    """A connected `websocket-client` socket with a wake-up."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        self._connection.settimeout(IO_WAIT)
        self._over = False
        self._woken, self._waker = socket.socketpair()
        self._woken.settimeout(0)
        self._selector = selectors.DefaultSelector()
        if connection.sock is not None:
            self._selector.register(connection.sock, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def send(self, text: str) -> None:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self._connection.send(text)

    def receive(self, timeout: float | None) -> Text | Alive | Closed | None:
        try:
            if not self._readable(timeout):
                return None
            opcode, frame = self._connection.recv_data_frame(control_frame=True)
        except (OSError, websocket.WebSocketException) as failed:
            self._over = True
            return Closed(ABNORMAL, f"{type(failed).__name__}: {failed}")
        if opcode == ABNF.OPCODE_TEXT:
            return Text(bytes(frame.data).decode(errors="replace"))
        if opcode != ABNF.OPCODE_CLOSE:
            return Alive()
        self._over = True
        code = int.from_bytes(frame.data[:2], "big") if len(frame.data) > 1 else NO_CODE
        return Closed(code, frame.data[2:].decode(errors="replace"))

    def wake(self) -> None:
        with contextlib.suppress(OSError):
            self._waker.send(b"w")

    def close(self, code: int, reason: str) -> None:
        if not self._over:
            self._over = True
            with contextlib.suppress(OSError, websocket.WebSocketException):
                self._connection.send_close(code, reason.encode()[:REASON_MOST])
        self._selector.close()
        for end in (self._woken, self._waker):
            end.close()
        self._connection.shutdown()  # type: ignore[no-untyped-call]  # bare in the library

    def _readable(self, timeout: float | None) -> bool:
        sock = self._connection.sock
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            return True
        ready = [key.fileobj for key, _ in self._selector.select(timeout)]
        if self._woken in ready:
            self._woken.recv(64)
        return sock in ready
