"""Publish to Redis faster than any server under test can read: raw commands, many in one write.

redis-py would cost more per message than the servers that are compared.
"""

import socket
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

_CHUNK = 500


def command(*parts: bytes | str) -> bytes:
    """One Redis command as it goes over the wire."""
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    lines = [b"*%d\r\n" % len(encoded)]
    lines += [b"$%d\r\n%b\r\n" % (len(part), part) for part in encoded]
    return b"".join(lines)


def padded(size: int) -> bytes:
    """JSON of exactly `size` bytes with the time of now in it: {"t":<ns>,"pad":"xxx"}."""
    head = b'{"t":%d,"pad":"' % time.monotonic_ns()
    return head + b"x" * (size - len(head) - 2) + b'"}'


class Wire:
    """A blocking connection to Redis for PUBLISH only."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, commands: Sequence[bytes]) -> None:
        """Send commands that answer with one line each; returns when all are answered."""
        self._socket.sendall(b"".join(commands))
        missing = len(commands)
        while missing > 0:
            missing -= self._socket.recv(65536).count(b"\n")

    def flood(self, commands: Iterable[bytes]) -> None:
        """Send any number of commands, `_CHUNK` at a time."""
        chunk: list[bytes] = []
        for one in commands:
            chunk.append(one)
            if len(chunk) == _CHUNK:
                self.send(chunk)
                chunk = []
        if chunk:
            self.send(chunk)


def socketio_packet(room: str | None, size: int) -> tuple[str, bytes]:
    """Channel and message that Socket.IO's Redis adapter publishes for `io.to(room).emit("notification", {t, pad})`.

    MessagePack of [uid, packet, options]; only the few types that occur are encoded here.
    """
    pad = b"x" * (size - len('{"t":,"pad":""}') - 13)
    payload = b"\x82\xa1t\xcf" + time.monotonic_ns().to_bytes(8, "big") + b"\xa3pad" + _text(pad)
    packet = b"\x83\xa4type\x02\xa4data\x92" + _text(b"notification") + payload + b"\xa3nsp\xa1/"
    rooms = b"\x90" if room is None else b"\x91" + _text(room.encode())
    options = b"\x83\xa5rooms" + rooms + b"\xa6except\x90\xa5flags\x80"
    channel = "socket.io#/#" if room is None else f"socket.io#/#{room}#"
    return channel, b"\x93" + _text(b"bench") + packet + options


def _text(value: bytes) -> bytes:
    size = len(value)
    if size < 32:
        return bytes([0xA0 | size]) + value
    if size < 256:
        return b"\xd9" + bytes([size]) + value
    return b"\xda" + size.to_bytes(2, "big") + value
