"""A WebSocket client on a bare socket, so that tests see and send every byte; and its native frames as dicts."""

import base64
import json
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The handshake was answered with something else than 101."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(f"{status} {body!r}")
        self.status = status
        self.headers = headers
        self.error = json.loads(body).get("error") if body.startswith(b"{") else None


class Closed(Exception):
    """A Close frame came, or the connection ended (1006)."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


@dataclass
class Frame:
    opcode: int
    payload: bytes


def frame(
    payload: bytes, *, opcode: int = TEXT, fin: bool = True, mask: bytes = b"\x01\x02\x03\x04", rsv: int = 0
) -> bytes:
    """A frame as a client sends it."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


class Client:
    """One connection. Frames that are not waited for stay in `seen`."""

    def __init__(
        self,
        port: int,
        *,
        path: str = "/ws",
        headers: dict[str, str] | None = None,
        token: str | None = None,
        after: bytes = b"",
        receive_buffer: int | None = None,
        timeout: float = 10,
    ) -> None:
        self.timeout = timeout
        self.seen: list[dict[str, Any]] = []
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self._buffer = b""
        given = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        }
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        given |= headers or {}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + after)
        self.status, self.headers = self._read_head()
        if self.status != 101:
            body = self._exactly(int(self.headers.get("content-length", "0")))
            self.socket.close()
            raise Refused(self.status, self.headers, body)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, **fields: Any) -> None:
        """Send one native frame."""
        self.socket.sendall(frame(json.dumps(fields).encode()))

    def raw(self, data: bytes) -> None:
        """Send bytes as they stand."""
        self.socket.sendall(data)

    def read(self) -> Frame:
        """The next frame, control frames included. Raises Closed at the end of the connection."""
        first, second = self._exactly(2)
        size = second & 0x7F
        assert not second & 0x80, "a server must not mask"
        if size == 126:
            size = int.from_bytes(self._exactly(2))
        elif size == 127:
            size = int.from_bytes(self._exactly(8))
        return Frame(first & 0x0F, self._exactly(size))

    def next(self) -> dict[str, Any]:
        """The next native frame; answers pings. Raises Closed when the server closes."""
        while True:
            got = self.read()
            if got.opcode == PING:
                self.raw(frame(got.payload, opcode=PONG))
            elif got.opcode == CLOSE:
                self.raw(frame(got.payload, opcode=CLOSE))
                code = int.from_bytes(got.payload[:2]) if got.payload else 1005
                raise Closed(code, got.payload[2:].decode())
            elif got.opcode == TEXT:
                found: dict[str, Any] = json.loads(got.payload)
                return found

    def wait(self, *types: str, where: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The next native frame of one of these types; what comes before it goes to `seen`."""
        while True:
            got = self.next()
            if got["type"] in types and where(got):
                return got
            self.seen.append(got)

    def online(self) -> dict[str, Any]:
        """Wait until the connection follows live; its welcome, with what `caught_up` added."""
        welcome = self.wait("welcome")
        if welcome["recovered"] is None:
            caught_up = self.wait("caught_up")
            welcome |= {name: caught_up[name] for name in ("me", "all", "recovered")}
        return welcome

    def notifications(self, count: int) -> list[dict[str, Any]]:
        """The next `count` notification frames."""
        return [self.wait("notification") for _ in range(count)]

    def quiet(self, seconds: float) -> bool:
        """Whether nothing but pings comes for so long; they are answered."""
        deadline = time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                self.socket.settimeout(left)
                got = self.read()
                if got.opcode != PING:
                    return False
                self.raw(frame(got.payload, opcode=PONG))
        except TimeoutError:
            pass
        finally:
            self.socket.settimeout(self.timeout)
        return True

    def closed(self) -> Closed:
        """Read to the end; why it was closed."""
        while True:
            try:
                self.seen.append(self.next())
            except Closed as closed:
                return closed

    def ended(self) -> bool:
        """Whether the server has hung up, after its Close frame."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                raise Closed(1006, "reset") from None
            if not data:
                raise Closed(1006, "end of stream")
            self._buffer += data
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _read_head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self._buffer:
            data = self.socket.recv(65536)
            if not data:
                raise Closed(1006, "no answer")
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split()[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)
