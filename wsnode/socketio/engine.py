"""Engine.IO, protocol version 4: packets, payloads of polling, and the errors of its requests. Pure.

https://github.com/socketio/engine.io-protocol. A packet is one digit and its data; a payload is packets with the
record separator between them. Packets are read by python-engineio; payloads are not, because its decoder also takes
JSONP and no more than 16 packets, where real clients send more.
"""

from typing import Any, Final, NamedTuple, NoReturn

import orjson
from engineio.packet import CLOSE, MESSAGE, NOOP, OPEN, PING, PONG, UPGRADE, Packet

VERSION: Final = "4"
PROBE: Final = "probe"
PACKETS_MAX: Final = 1000
"""Packets in one payload: as many as a client may send at once (`BURST` seconds of the default `message_rate`)."""

ENDS: Final[int] = CLOSE
"""A packet's kind: the session is over."""
SPEAKS: Final[int] = MESSAGE
"""A packet's kind: its data is Socket.IO's."""

PING_TEXT: Final = f"{PING}"
NOOP_TEXT: Final = f"{NOOP}"
CLOSE_TEXT: Final = f"{CLOSE}"
PROBE_TEXT: Final = f"{PING}{PROBE}"
GO_TEXT: Final = f"{UPGRADE}"
PROBED_TEXT: Final = f"{PONG}{PROBE}"
SEPARATOR: Final = "\x1e"

_KINDS: Final = frozenset({CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP})
"""What a client may send."""


class Read(NamedTuple):
    """One packet of a client. `binary`: a message whose data nobody here understands."""

    kind: int
    data: str
    binary: bool = False


class BadPacket(ValueError):
    """What came is no packet or payload of Engine.IO."""


class EngineError(Exception):
    """A request that Engine.IO itself refuses: its code, its message, an HTTP status."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def body(self) -> bytes:
        """The answer, as clients of Engine.IO know it."""
        return orjson.dumps({"code": self.code, "message": self.message})


def unknown_transport() -> EngineError:
    """Neither `polling` nor `websocket`."""
    return EngineError(0, "Transport unknown")


def unknown_session() -> EngineError:
    """The session is not, or no longer, of this node: a client opens another one."""
    return EngineError(1, "Session ID unknown")


def bad_method() -> EngineError:
    """A session is opened with GET."""
    return EngineError(2, "Bad handshake method")


def bad_request(message: str = "Bad request", *, status: int = 400) -> EngineError:
    """Anything else that does not fit."""
    return EngineError(3, message, status=status)


def forbidden(message: str) -> EngineError:
    """An origin that may not connect."""
    return EngineError(4, message, status=403)


def unsupported_version() -> EngineError:
    """A client of Socket.IO 1 or 2 (EIO=3), or none at all."""
    return EngineError(5, "Unsupported protocol version")


class _NoJson:
    """Leaves data as text: what is in a message is Socket.IO's to read."""

    @staticmethod
    def loads(_: str) -> NoReturn:
        """Raise ValueError, upon which the packet keeps its text."""
        raise ValueError


class _TextPacket(Packet):  # type: ignore[misc]  # the library has no types
    json: Any = _NoJson


def decode(text: str) -> Read:
    """One packet of a client. Raises BadPacket."""
    if text.startswith("b"):
        return Read(MESSAGE, "", binary=True)
    if not text or not "0" <= text[0] <= "9":
        raise BadPacket("not a packet of Engine.IO")
    found = _TextPacket(encoded_packet=text)
    if found.packet_type not in _KINDS:
        raise BadPacket("not a packet that a client sends")
    return Read(found.packet_type, found.data or "")


def split(body: bytes) -> list[str]:
    """The packets of a payload that a client posted. Raises BadPacket."""
    try:
        texts = body.decode().split(SEPARATOR)
    except UnicodeDecodeError as error:
        raise BadPacket("not UTF-8") from error
    if len(texts) > PACKETS_MAX:
        raise BadPacket(f"more than {PACKETS_MAX} packets in a payload")
    return texts


def opening(sid: str, *, upgrades: bool, ping_interval: float, pong_wait: float, payload_max: int) -> str:
    """The first packet of a session; the times are in seconds, `payload_max` in bytes."""
    doc = {
        "sid": sid,
        "upgrades": ["websocket"] if upgrades else [],
        "pingInterval": round(ping_interval * 1000),
        "pingTimeout": round(pong_wait * 1000),
        "maxPayload": payload_max,
    }
    return f"{OPEN}{orjson.dumps(doc).decode()}"
