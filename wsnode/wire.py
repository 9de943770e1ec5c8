"""WebSocket frames of the server (RFC 6455 section 5.2): text, ping, pong and close as bytes; never masked."""

from typing import Final

from wsnode.frame_parser import CLOSE, PONG

PING: Final = b"\x89\x00"
"""The heartbeat's frame; empty, so that one object serves every connection."""

_REASON_MAX: Final = 123
SHORT: Final = 126
_LONG: Final = 65_536


def text(payload: bytes) -> bytes:
    """One unfragmented text frame."""
    size = len(payload)
    if size < SHORT:
        return b"\x81%c%b" % (size, payload)
    if size < _LONG:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), payload)


def pong(payload: bytes) -> bytes:
    """The answer to a ping; the payload is at most 125 bytes, which the parser has checked."""
    return b"%c%c%b" % (0x80 | PONG, len(payload), payload)


def close(code: int | None, reason: str = "") -> bytes:
    """A Close frame; None makes one without a code, the only right echo of a client's Close without one."""
    if code is None:
        return b"\x88\x00"
    said = reason.encode()[:_REASON_MAX].decode(errors="ignore").encode()
    return b"%c%c%b%b" % (0x80 | CLOSE, 2 + len(said), code.to_bytes(2), said)
