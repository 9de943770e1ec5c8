"""WebSocket frames of a client (RFC 6455): bytes in, events out, no sockets.

Our own parser, because the library's has no size limit, accepts unmasked frames and unmasks byte by byte
in Python: one client could fill the memory or stand the whole node still.
"""

from codecs import IncrementalDecoder, getincrementaldecoder
from typing import Final, NamedTuple

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

PROTOCOL_ERROR: Final = 1002
UNSUPPORTED_DATA: Final = 1003
INVALID_PAYLOAD: Final = 1007
TOO_BIG: Final = 1009
NO_CODE: Final = 1005

_HEAD: Final = 2
_CONTROL_MAX: Final = 125
_SHORT: Final = 126
_LONG: Final = 8
# RFC 6455 section 7.4 and the IANA registry: what may stand in a Close frame. 1004, 1005, 1006, 1015 may not.
_CLOSE_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
_Decoder = getincrementaldecoder("utf-8")


class Text(NamedTuple):
    """A whole text message."""

    data: str


class Binary(NamedTuple):
    """A whole binary message; our dialects have no use for it."""

    data: bytes


class Ping(NamedTuple):
    """A ping, to be answered with the same payload."""

    payload: bytes


class Pong(NamedTuple):
    """An answer to our ping, or an unasked one."""

    payload: bytes


class Close(NamedTuple):
    """The client's Close frame; 1005 stands for a frame without a code. Nothing follows it."""

    code: int
    reason: str


class Fault(NamedTuple):
    """The client broke the protocol: close with this code. Nothing follows it."""

    code: int
    reason: str


Event = Text | Binary | Ping | Pong | Close | Fault


class _Broken(Exception):
    """Carries a Fault out of the middle of a frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.fault = Fault(code, reason)


def unmask(payload: bytes, mask: bytes) -> bytes:
    """Undo the client's masking with one big XOR: 3 ms per MiB, where a loop over bytes takes 90."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


class FrameParser:
    """Parses one client's bytes; holds state only while a frame or a fragmented message is incomplete.

    While `idle` it may serve another connection: so an idle connection needs no parser at all.
    `size_max` bounds a frame and a message, `fragments_max` the frames of one message.
    """

    __slots__ = (
        "_buffer",
        "_bytes",
        "_decoder",
        "_done",
        "_fragments",
        "_fragments_max",
        "_opcode",
        "_size",
        "_size_max",
        "_texts",
        "waiting_since",
    )

    def __init__(self, *, size_max: int, fragments_max: int) -> None:
        self._size_max = size_max
        self._fragments_max = fragments_max
        self._buffer = b""
        self._done = False
        self._decoder: IncrementalDecoder | None = None
        self.waiting_since = 0.0
        """When what is incomplete began; kept by the owner, who has a clock."""
        self._forget()

    @property
    def idle(self) -> bool:
        """Nothing is kept: neither half a frame nor half a message."""
        return not self._buffer and self._opcode == 0 and not self._done

    @property
    def assembling(self) -> bool:
        """A message in fragments is under way."""
        return self._opcode != 0

    def feed(self, data: bytes) -> list[Event]:
        """Take what the socket brought; return what it completes. After Close or Fault all input is ignored."""
        events: list[Event] = []
        if self._done:
            return events
        buffer = self._buffer + data if self._buffer else data
        at = 0
        try:
            while not self._done:
                frame = self._cut(buffer, at)
                if frame is None:
                    break
                first, payload, at = frame
                event = self._frame(first, payload)
                if event is not None:
                    events.append(event)
        except _Broken as broken:
            self._done = True
            events.append(broken.fault)
        self._buffer = b"" if self._done else buffer[at:]
        return events

    def _cut(self, buffer: bytes, at: int) -> tuple[int, bytes, int] | None:
        """Cut one frame out of the buffer: first byte, unmasked payload, where the next one begins."""
        have = len(buffer) - at
        if have < _HEAD:
            return None
        first, size = buffer[at], buffer[at + 1]
        self._check_head(first, size)
        size &= 0x7F
        start = at + _HEAD
        if size > _CONTROL_MAX:
            width = 2 if size == _SHORT else _LONG
            if have < _HEAD + width:
                return None
            size = int.from_bytes(buffer[start : start + width])
            if size < _SHORT or (width == _LONG and not 0xFFFF < size < 1 << 63):  # noqa: PLR2004  # what two bytes hold
                raise _Broken(PROTOCOL_ERROR, "length not in its shortest form")
            start += width
        if size + self._size > self._size_max and not first & 0x8:
            raise _Broken(TOO_BIG, "message too big")
        end = start + 4 + size
        if len(buffer) < end:
            return None
        return first, unmask(buffer[start + 4 : end], buffer[start : start + 4]), end

    def _check_head(self, first: int, second: int) -> None:
        """Refuse what no frame of a client may look like, before a byte of its payload is waited for."""
        if first & 0x70:
            raise _Broken(PROTOCOL_ERROR, "reserved bits are set")
        if not second & 0x80:
            raise _Broken(PROTOCOL_ERROR, "frame is not masked")
        opcode = first & 0x0F
        if opcode >= CLOSE:
            if opcode > PONG:
                raise _Broken(PROTOCOL_ERROR, "reserved opcode")
            if not first & 0x80 or second & 0x7F > _CONTROL_MAX:
                raise _Broken(PROTOCOL_ERROR, "control frame is fragmented or too long")
        elif opcode > BINARY:
            raise _Broken(PROTOCOL_ERROR, "reserved opcode")
        elif (opcode == CONTINUATION) != (self._opcode != 0):
            raise _Broken(PROTOCOL_ERROR, "continuation out of place")

    def _frame(self, first: int, payload: bytes) -> Event | None:
        opcode = first & 0x0F
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong(payload)
        if opcode == CLOSE:
            self._done = True
            return _close(payload)
        final = bool(first & 0x80)
        if final and opcode == TEXT:  # by far the most common: nothing to keep
            return Text(_text(payload))
        if final and opcode == BINARY:
            return Binary(payload)
        return self._fragment(opcode, payload, final=final)

    def _fragment(self, opcode: int, payload: bytes, *, final: bool) -> Event | None:
        """Add a fragment; text is checked at once, so that a bad one does not wait for the end."""
        if opcode != CONTINUATION:
            self._opcode = opcode
            self._decoder = _Decoder() if opcode == TEXT else None
        self._fragments += 1
        if self._fragments > self._fragments_max:
            raise _Broken(TOO_BIG, "too many fragments")
        self._size += len(payload)
        if self._decoder is not None:
            try:
                self._texts.append(self._decoder.decode(payload, final))
            except UnicodeDecodeError:
                raise _Broken(INVALID_PAYLOAD, "text is not UTF-8") from None
        else:
            self._bytes.append(payload)
        if not final:
            return None
        whole = Text("".join(self._texts)) if self._decoder is not None else Binary(b"".join(self._bytes))
        self._forget()
        return whole

    def _forget(self) -> None:
        """Forget the message under way."""
        self._opcode = 0
        self._size = 0
        self._fragments = 0
        self._decoder = None
        self._texts: list[str] = []
        self._bytes: list[bytes] = []


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise _Broken(INVALID_PAYLOAD, "text is not UTF-8") from None


def _close(payload: bytes) -> Close:
    if not payload:
        return Close(NO_CODE, "")
    code = int.from_bytes(payload[:2])
    if len(payload) == 1 or code not in _CLOSE_CODES:
        raise _Broken(PROTOCOL_ERROR, "close code is not allowed")
    return Close(code, _text(payload[2:]))


def begins_anew(parser: FrameParser, events: list[Event], *, assembling: bool) -> bool:
    """Whether what is incomplete began with these bytes; pings between fragments do not make a message younger."""
    if assembling and parser.assembling:
        return any(isinstance(event, (Text, Binary)) for event in events)
    return bool(events)
