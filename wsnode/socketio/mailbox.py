"""Frames of the server as a payload of Engine.IO, for clients that poll. Pure.

What is written to a connection is WebSocket frames whoever carries them: so each frame is made once for all clients,
and what a client has not fetched when its WebSocket takes over is sent over that as it stands.
"""

from typing import Final

from wsnode.frame_parser import CLOSE, TEXT
from wsnode.socketio import engine

END: Final = engine.CLOSE_TEXT.encode()

_SHORT: Final = 126
_SEPARATOR: Final = engine.SEPARATOR.encode()


def payload(packets: list[bytes]) -> bytes:
    """What a GET is answered with."""
    return _SEPARATOR.join(packets)


def packets(frames: bytes) -> list[bytes]:
    """Text frames as packets; a Close frame as the packet that ends the session; pings are of no use here."""
    found: list[bytes] = []
    at = 0
    while at < len(frames):
        opcode, size = frames[at] & 0x0F, frames[at + 1]
        at += 2
        if size >= _SHORT:
            width = 2 if size == _SHORT else 8
            size = int.from_bytes(frames[at : at + width])
            at += width
        if opcode == TEXT:
            found.append(frames[at : at + size])
        elif opcode == CLOSE:
            found.append(END)
        at += size
    return found
