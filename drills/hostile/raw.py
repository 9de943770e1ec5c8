"""A WebSocket client that keeps no rule: bytes out as they stand, bytes in as they come."""

import base64
import os
import select
import socket
import time
from collections.abc import Iterator

HOST = "127.0.0.1"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
_SHORT, _LONG = 126, 127
_HEAD = 2


class DesyncError(Exception):
    """What the server sent is not one frame after another."""


def frame(payload: bytes, *, opcode: int = TEXT, fin: bool = True, rsv: int = 0) -> bytes:
    """A frame as a client sends it; its mask is zero, so that building it costs the attacker nothing."""
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    return first + head(len(payload)) + payload


def head(size: int, *, masked: int = 0x80) -> bytes:
    """The length of a frame in its shortest form, and a mask of zeros."""
    mask = bytes(4) if masked else b""
    if size < _SHORT:
        return bytes([masked | size]) + mask
    if size < 1 << 16:
        return bytes([masked | _SHORT]) + size.to_bytes(2) + mask
    return bytes([masked | _LONG]) + size.to_bytes(8) + mask


def connect(port: int, *, receive_buffer: int = 0, segment: int = 0, seconds: float = 30.0) -> socket.socket:
    """A TCP connection; `segment` is the most bytes of a packet that it asks for."""
    sock = socket.socket()
    if segment:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(seconds)
    sock.connect((HOST, port))
    return sock


def upgrade(sock: socket.socket, token: str = "") -> bytes:
    """The handshake; what came after its answer. Raises ConnectionError if it is refused."""
    lines = [
        "GET /ws HTTP/1.1",
        "Host: drill",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        *([f"Authorization: Bearer {token}"] if token else []),
    ]
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(4096)
        if not more:
            raise ConnectionError("no answer")
        data += more
    answer, _, rest = data.partition(b"\r\n\r\n")
    if b" 101 " not in answer:
        raise ConnectionError(answer.split(b"\r\n")[0].decode())
    return rest


def signed_in(
    port: int, token: str, *, receive_buffer: int = 0, segment: int = 0
) -> tuple[socket.socket, bytes]:
    """A connection that is somebody's, and what it has heard."""
    sock = connect(port, receive_buffer=receive_buffer, segment=segment)
    return sock, upgrade(sock, token)


def drained(sock: socket.socket, data: bytes = b"", *, seconds: float = 30.0) -> bytes:
    """Everything until the server hangs up or the time is over."""
    parts, until = [data], time.monotonic() + seconds
    sock.settimeout(0.5)
    while time.monotonic() < until:
        try:
            more = sock.recv(1 << 20)
        except TimeoutError:
            continue
        except OSError:
            break
        if not more:
            break
        parts.append(more)
    return b"".join(parts)


def closing(sock: socket.socket, data: bytes = b"", *, seconds: float = 10.0) -> tuple[int, float]:
    """The code of the Close frame that comes, and after how many seconds; (0, seconds) if none does."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        for opcode, payload in frames(data):
            if opcode == CLOSE:
                return int.from_bytes(payload[:2]), time.monotonic() - began
        if not select.select([sock], [], [], 0.5)[0]:
            continue
        try:
            more = sock.recv(1 << 16)
        except OSError:
            break
        if not more:
            break
        data += more
    return 0, time.monotonic() - began


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The whole frames in what a server sent. Raises DesyncError where no frame of ours can begin."""
    at = 0
    while at + _HEAD <= len(data):
        first, size = data[at], data[at + 1]
        if first not in (0x80 | TEXT, 0x80 | CLOSE, 0x80 | PING, 0x80 | PONG) or size & 0x80:
            raise DesyncError(f"{data[at : at + 16]!r} at {at}")
        start = at + _HEAD
        if size >= _SHORT:
            width = 2 if size == _SHORT else 8
            size = int.from_bytes(data[start : start + width])
            start += width
        if start + size > len(data):
            return
        yield first & 0x0F, data[start : start + size]
        at = start + size
