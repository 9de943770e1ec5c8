"""Socket.IO, protocol version 5, above Engine.IO: what a client's packet means, and packets for it. Pure.

https://github.com/socketio/socket.io-protocol. Read and written by python-socketio, with orjson for the JSON: the
standard library's falls over text that is nested deeply enough. What is made here is a whole Engine.IO message.
"""

from typing import Any, Final, NamedTuple

import orjson
from engineio.packet import MESSAGE
from socketio.packet import (
    ACK,
    BINARY_ACK,
    BINARY_EVENT,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EVENT,
    Packet,
)

NAMESPACE: Final = "/"
"""The only one here: rooms and namespaces would be a second truth about who gets what."""

ID_MAX: Final = (1 << 53) - 1
DISCONNECTED: Final = f"{MESSAGE}{DISCONNECT}"
"""The server ends it: a client that hears this does not come back by itself."""


class Connect(NamedTuple):
    """A client wants into a namespace."""

    namespace: str
    auth: dict[str, Any]


class Event(NamedTuple):
    """`emit(name, ...args)`; `id` if the client waits for an answer."""

    name: str
    args: list[Any]
    id: int | None


class Answered(NamedTuple):
    """The client answers an event of ours."""

    id: int


class Disconnect(NamedTuple):
    """The client leaves."""


class Binary(NamedTuple):
    """An event or answer with binary parts, which follow; `id` if the client waits for an answer."""

    id: int | None


class Elsewhere(NamedTuple):
    """Something in a namespace where this client is not."""


Read = Connect | Event | Answered | Disconnect | Binary | Elsewhere


class BadPacket(ValueError):
    """What came is no packet of Socket.IO."""


class _Orjson:
    """The two functions that python-socketio wants of a JSON library."""

    @staticmethod
    def loads(text: str) -> Any:
        """Raises ValueError, also where the standard library would raise RecursionError."""
        return orjson.loads(text)

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        """Compact anyway, whatever separators are asked for."""
        return orjson.dumps(value).decode()


class _Packet(Packet):  # type: ignore[misc]  # the library has no types
    uses_binary_events = False
    json: Any = _Orjson


def decode(text: str) -> Read:
    """What the data of an Engine.IO message says. Raises BadPacket."""
    if not text or not "0" <= text[0] <= "6":
        raise BadPacket("not a packet of Socket.IO")
    try:
        found = _Packet(encoded_packet=text)
    except (ValueError, IndexError, TypeError) as error:
        raise BadPacket("not a packet of Socket.IO") from error
    namespace = found.namespace or NAMESPACE
    if found.packet_type == CONNECT:
        return Connect(namespace[:200], found.data if isinstance(found.data, dict) else {})
    if found.id is not None and found.id > ID_MAX:
        raise BadPacket("the id is too large")
    if namespace != NAMESPACE:
        return Elsewhere()
    return _read(found)


def event(name: str, *args: Any, id: int | None = None) -> str:
    """`emit(name, ...args)` of ours; with `id` the client is asked to answer."""
    return _encode(EVENT, [name, *args], id)


def answer(id: int, *args: Any) -> str:
    """The answer to a client's event."""
    return _encode(ACK, list(args), id)


def connected(sid: str) -> str:
    """The client is in."""
    return _encode(CONNECT, {"sid": sid}, None)


def refused(namespace: str, message: str, data: dict[str, Any] | None = None) -> str:
    """The client is not let in: its `connect_error`, with `data` beside the message."""
    doc: dict[str, Any] = {"message": message}
    if data is not None:
        doc["data"] = data
    return f"{MESSAGE}{_Packet(CONNECT_ERROR, doc, namespace=namespace).encode()}"


def _read(found: Any) -> Read:
    match found.packet_type:
        case kind if kind == EVENT:
            data = found.data
            if not isinstance(data, list) or not data or not isinstance(data[0], str):
                raise BadPacket("an event is a list that begins with its name")
            return Event(data[0], data[1:], found.id)
        case kind if kind == ACK:
            if found.id is None:
                raise BadPacket("an answer has an id")
            return Answered(found.id)
        case kind if kind == DISCONNECT:
            return Disconnect()
        case kind if kind in (BINARY_EVENT, BINARY_ACK):
            return Binary(found.id if kind == BINARY_EVENT else None)
        case _:
            raise BadPacket("not a packet that a client sends")


def _encode(kind: int, data: Any, id: int | None) -> str:
    return f"{MESSAGE}{_Packet(kind, data, id=id).encode()}"
