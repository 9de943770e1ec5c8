"""How Socket.IO clients are spoken to: three dialects, one for each way in. Pure.

`V1` (`auth.protocol: "bellhop.v1"`) is the native dialect, each frame an event named after its type, with every
guarantee. `NEW` (a credential in `auth`) and `PLAIN` (one in the address, a header or a cookie) are what two earlier
designs speak: notifications only, and what is taken counts as confirmed.
"""

from typing import Any, Final

import orjson

from shared.errors import InvalidRequest
from shared.protocol import bare, frames
from shared.protocol.close_codes import CloseCode, comes_back
from shared.protocol.envelope import Counts
from wsnode import events as say
from wsnode import wire
from wsnode.dialects import native
from wsnode.dialects.dialect import Dialect
from wsnode.messages import IGNORED, Message
from wsnode.socketio import engine, meaning, packets

PROTOCOL: Final = "bellhop.v1"
BEAT: Final = wire.text(engine.PING_TEXT.encode())
_ALL: Final = "all"
_BARE: Final = b'{"%b":' % bare.VALUE.encode()
_SENT_AT: Final = len(b'"sent_at":')
_INSTANT: Final = len(b'"2026-11-20T07:56:19.123Z"')
_JOINED: Final = {True: "user_joined", False: "user_left"}


def of(auth: dict[str, Any], *, brought: bool) -> Dialect:
    """The dialect of a client by its CONNECT; `brought`: it has a credential in there. Raises InvalidRequest."""
    wanted = auth.get("protocol")
    if wanted == PROTOCOL:
        return V1
    if wanted is not None:
        raise InvalidRequest(f"protocol is {PROTOCOL}, or is not there.")
    return NEW if brought else PLAIN


def emit(name: str, *args: Any) -> bytes:
    """An event, ready for the transport."""
    return wire.text(packets.event(name, *args).encode())


def answered(id: int, doc: dict[str, Any]) -> bytes:
    """What a callback is called with, ready for the transport."""
    return wire.text(packets.answer(id, doc).encode())


def failure(code: str, message: str, *, retryable: bool = False) -> dict[str, Any]:
    """What a callback is called with if it did not work."""
    return {"success": False, "error": message, "code": code, "retryable": retryable}


def position_of(id: int) -> tuple[int, int]:
    """What a client confirms by answering the notification of that id: `me` and `all`, 0 = nothing of that stream."""
    return (0, id // 2) if id % 2 else (id // 2, 0)


class Taken:
    """What the dialects of earlier designs have in common: of all frames they know notifications and answers."""

    acks: Final = False
    lenient: Final = True
    beat: Final = BEAT

    @staticmethod
    def decode(_: str) -> Message:
        """Packets are read before (wsnode.socketio.client)."""
        return IGNORED

    @staticmethod
    def position(*_: Any) -> bytes:
        """Nothing."""
        return b""

    @staticmethod
    def welcome(*_: Any, **__: Any) -> bytes:
        """Nothing."""
        return b""

    @staticmethod
    def caught_up(_: say.CaughtUp) -> bytes:
        """Nothing."""
        return b""

    @staticmethod
    def told(_: say.Told) -> bytes:
        """Nothing."""
        return b""

    @staticmethod
    def state(_: dict[str, Any]) -> bytes:
        """Nothing."""
        return b""

    @staticmethod
    def retract(*_: Any, **__: Any) -> bytes:
        """Nothing."""
        return b""

    @staticmethod
    def signal(doc: dict[str, Any]) -> bytes:
        """`user_joined({user, at})` and `user_left({user, at})`."""
        name = _JOINED.get(doc.get("online"))  # type: ignore[arg-type]  # whatever it is, it is looked up
        return b"" if name is None else emit(name, {"user": doc.get("user"), "at": doc.get("at")})

    @staticmethod
    def reply(doc: dict[str, Any]) -> bytes:
        """To the callback, if there is one."""
        id = meaning.callback_of(doc["ref"])
        return b"" if id is None else answered(id, _answer(doc))

    @staticmethod
    def error(doc: dict[str, Any]) -> bytes:
        """To the callback, if there is one; what nobody here knows is ignored."""
        return Taken.reply(doc)

    @staticmethod
    def pong(_: str | int | None) -> bytes:
        """Nothing."""
        return b""

    @staticmethod
    def expiring(_: int) -> bytes:
        """Nothing: they come back with another token."""
        return b""

    @staticmethod
    def bye(code: CloseCode, _: str, *, retry_after: float) -> bytes:  # noqa: ARG004  # the shape is every dialect's
        """Whoever is to stay away is told so in Socket.IO's way: others come back by themselves."""
        return _ending(code)


class Plain(Taken):
    """`notification(data, meta)`."""

    name: Final = "socketio"

    @staticmethod
    def notification(stream: str, seq: int, prev: int, fragment: bytes, user: str | None) -> bytes:  # noqa: ARG004  # the shape is every dialect's
        """See the class."""
        head, data, tail = _parts(fragment)
        if data.startswith(_BARE):
            data = _unwrapped(data)
        meta = b'{%b,%b,"stream":"%b","seq":%d}' % (head, tail, stream.encode(), seq)
        return wire.text(b'42["notification",%b,%b]' % (data, meta))


class New(Taken):
    """`new_notification({id, recipientId, senderId, event, message, data, createdAt})`."""

    name: Final = "socketio-new"

    @staticmethod
    def notification(stream: str, seq: int, prev: int, fragment: bytes, user: str | None) -> bytes:  # noqa: ARG004  # the shape is every dialect's
        """See the class; `recipientId` is null where it is for everyone."""
        head, data, tail = _parts(fragment)
        sender = orjson.loads(b"{%b}" % tail)["from"] if b',"from":' in tail else None
        doc = orjson.loads(data) if b'"message"' in data else None
        message = doc.get("message") if isinstance(doc, dict) else None
        shown = b'{%b,"recipientId":%b,"senderId":%b,"message":%b,"data":%b,"createdAt":%b}' % (
            head,
            orjson.dumps(user),
            orjson.dumps(sender),
            orjson.dumps(message),
            data,
            tail[_SENT_AT : _SENT_AT + _INSTANT],
        )
        return wire.text(b'42["new_notification",%b]' % shown)


class VersionOne:
    """The native dialect, each frame as an event named after its type, with the frame as its argument."""

    name: Final = "socketio-v1"
    acks: Final = True
    lenient: Final = True
    beat: Final = BEAT

    @staticmethod
    def decode(_: str) -> Message:
        """Packets are read before (wsnode.socketio.client)."""
        return IGNORED

    @staticmethod
    def notification(stream: str, seq: int, prev: int, fragment: bytes, user: str | None) -> bytes:  # noqa: ARG004  # the shape is every dialect's
        """Spliced as the worker made it. Its id is the same for every connection: a client may answer it."""
        id = seq * 2 + (stream == _ALL)
        head = f'42{id}["notification",{frames.head(stream, seq, prev)}'
        return wire.text(b"%b%b]" % (head.encode(), fragment))

    @staticmethod
    def position(stream: str, prev: int, seq: int) -> bytes:
        """`position`."""
        return _event("position", native.position(stream, prev, seq))

    @staticmethod
    def welcome(event: say.Welcome, *, connection: str, user: str, expires_at: int | None) -> bytes:
        """`welcome`."""
        found = native.welcome(event, connection=connection, user=user, expires_at=expires_at)
        return _event("welcome", found)

    @staticmethod
    def caught_up(event: say.CaughtUp) -> bytes:
        """`caught_up`."""
        return _event("caught_up", native.caught_up(event))

    @staticmethod
    def told(event: say.Told) -> bytes:
        """`state`."""
        return _event("state", native.told(event))

    @staticmethod
    def state(doc: dict[str, Any]) -> bytes:
        """`state`."""
        return emit("state", doc)

    @staticmethod
    def retract(
        ids: list[str], reason: str, *, counts: Counts | None = None, rev: int | None = None
    ) -> bytes:
        """`retract`."""
        return _event("retract", native.retract(ids, reason, counts=counts, rev=rev))

    @staticmethod
    def signal(doc: dict[str, Any]) -> bytes:
        """`signal`, and the same as `user_joined` or `user_left`."""
        return emit("signal", doc) + Taken.signal(doc)

    @staticmethod
    def reply(doc: dict[str, Any]) -> bytes:
        """To the callback; `reply` or `error` where the client gave a `ref` of its own instead."""
        if meaning.is_silent(doc["ref"]):
            return b""
        return Taken.reply(doc) or emit(doc["type"], doc)

    @staticmethod
    def error(doc: dict[str, Any]) -> bytes:
        """To the callback; `error` where there is none, unless it is an event that nobody here knows."""
        if meaning.callback_of(doc["ref"]) is not None:
            return Taken.reply(doc)
        return b"" if doc["code"] == "unknown_type" else emit("error", doc)

    @staticmethod
    def pong(_: str | int | None) -> bytes:
        """Nothing."""
        return b""

    @staticmethod
    def expiring(expires_at: int) -> bytes:
        """`expiring`."""
        return _event("expiring", native.expiring(expires_at))

    @staticmethod
    def bye(code: CloseCode, reason: str, *, retry_after: float) -> bytes:
        """`bye`, then Socket.IO's own word for those who are to stay away."""
        return _event("bye", native.bye(code, reason, retry_after=retry_after)) + _ending(code)


V1: Final[Dialect] = VersionOne()
NEW: Final[Dialect] = New()
PLAIN: Final[Dialect] = Plain()


def _parts(fragment: bytes) -> tuple[bytes, bytes, bytes]:
    """Of a fragment (shared.protocol.frames): what is before `data`, the data, what is after it.

    Found where no text of a sender's can look like it: a quote in a text has a backslash before it.
    """
    begin, end = fragment.index(b'","data":') + 1, fragment.rindex(b',"sent_at":"')
    return fragment[:begin], fragment[begin + len(b',"data":') : end], fragment[end + 1 : -1]


def _unwrapped(data: bytes) -> bytes:
    doc = orjson.loads(data)
    return orjson.dumps(doc[bare.VALUE]) if bare.is_bare(doc) else data


def _answer(doc: dict[str, Any]) -> dict[str, Any]:
    if doc["type"] == "reply":
        return {"success": True, **doc["result"]}
    return failure(doc["code"], doc["message"], retryable=doc["retryable"])


def _ending(code: CloseCode) -> bytes:
    return b"" if comes_back(code) else wire.text(packets.DISCONNECTED.encode())


def _event(name: str, frame: bytes) -> bytes:
    """A frame that the native dialect made, as an event."""
    text = frame[2 if frame[1] < wire.SHORT else 4 if frame[1] == wire.SHORT else 10 :]
    return wire.text(b'42["%b",%b]' % (name.encode(), text))
