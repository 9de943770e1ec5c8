"""The native dialect: what the session says as frames, and what a client's text means. Pure.

Everything is JSON text objects with `type` (DESIGN section 6); unknown fields are ignored.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

import orjson

from shared.clock import rfc3339
from shared.domain.words import is_user
from shared.ids import is_uuid7
from shared.protocol import frames
from shared.protocol.close_codes import CloseCode, comes_back
from shared.protocol.envelope import Counts
from shared.redis.streams import Since
from wsnode import events as say
from wsnode import wire
from wsnode.messages import Ack, Auth, Mark, Message, Ping, Refresh, Refused, Send, Unreadable, Unwatch, Watch

name: Final = "native"
acks: Final = True
lenient: Final = False
beat: Final = wire.PING

IDS_MAX: Final = 500
REF_MAX: Final = 64
SEQ_MAX: Final = (1 << 53) - 1
"""The largest number that a JavaScript client counts to; no stream comes near it."""

ACTIONS: Final = ("read", "seen", "archive")


def decode(text: str) -> Message:
    """What a client's text means. Raises Unreadable."""
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unreadable("not JSON") from error
    if not isinstance(frame, dict):
        raise Unreadable("not an object")
    return understand(frame)


def understand(frame: dict[str, Any]) -> Message:
    """What a frame of a client means."""
    ref = frame.get("ref")
    if not _is_ref(ref):
        return Refused("invalid_request", f"ref is a text of at most {REF_MAX} characters or a number.", None)
    kind = frame.get("type")
    read = READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        return Refused("unknown_type", "This type of frame is not known here.", ref)
    return read(frame, ref)


def since(epoch: Any, me: Any, everyone: Any) -> Since | None:
    """Where a client says it stands; None if that is not well-formed."""
    if not (epoch is None or (isinstance(epoch, str) and len(epoch) <= REF_MAX)):
        return None
    if not all(value is None or _is_seq(value) for value in (me, everyone)):
        return None
    return Since(epoch, me, everyone)


def notification(stream: str, seq: int, prev: int, fragment: bytes, user: str | None = None) -> bytes:  # noqa: ARG001  # the shape is every dialect's
    """A notification frame, ready for the socket; `fragment` is spliced as the worker made it."""
    return wire.text(frames.head(stream, seq, prev).encode() + fragment)


def position(stream: str, prev: int, seq: int) -> bytes:
    """A position frame, ready for the socket."""
    return wire.text(frames.position(stream, prev, seq).encode())


def welcome(event: say.Welcome, *, connection: str, user: str, expires_at: int | None) -> bytes:
    """The greeting, ready for the socket; `expires_at` is epoch milliseconds."""
    return encode(
        {
            "type": "welcome",
            "connection": connection,
            "user": user,
            "epoch": event.epoch,
            "me": event.me,
            "all": event.all,
            "recovered": event.recovered,
            "counts": None if event.counts is None else asdict(event.counts),
            "rev": event.rev,
            "expires_at": None if expires_at is None else rfc3339(expires_at),
        }
    )


def caught_up(event: say.CaughtUp) -> bytes:
    """The end of a replay, ready for the socket."""
    return encode({"type": "caught_up", "me": event.me, "all": event.all, "recovered": event.recovered})


def told(event: say.Told) -> bytes:
    """The counts that the greeting did not have, ready for the socket."""
    return encode({"type": "state", "ids": [], "counts": asdict(event.counts), "rev": event.rev})


def retract(ids: list[str], reason: str, *, counts: Counts | None = None, rev: int | None = None) -> bytes:
    """Take notifications away, ready for the socket; without `counts` where they differ between users."""
    numbers = None if counts is None else asdict(counts)
    return encode({"type": "retract", "ids": ids, "reason": reason, "counts": numbers, "rev": rev})


def pong(ref: str | int | None) -> bytes:
    """The answer to a ping, ready for the socket."""
    return encode({"type": "pong"} if ref is None else {"type": "pong", "ref": ref})


def expiring(expires_at: int) -> bytes:
    """The warning that the token ends, ready for the socket; `expires_at` is epoch milliseconds."""
    return encode({"type": "expiring", "expires_at": rfc3339(expires_at)})


def bye(code: CloseCode, reason: str, *, retry_after: float) -> bytes:
    """The advice just before a close, ready for the socket."""
    return encode(
        {
            "type": "bye",
            "code": int(code),
            "reason": reason,
            "reconnect": comes_back(code),
            "retry_after": retry_after if comes_back(code) else None,
        }
    )


def encode(doc: dict[str, Any]) -> bytes:
    """Any other frame, ready for the socket."""
    return wire.text(orjson.dumps(doc))


def state(doc: dict[str, Any]) -> bytes:
    """What another device of the user did, or the service, ready for the socket."""
    return encode(doc)


def signal(doc: dict[str, Any]) -> bytes:
    """Something passing, ready for the socket."""
    return encode(doc)


def reply(doc: dict[str, Any]) -> bytes:
    """The answer to a frame with `ref`, ready for the socket."""
    return encode(doc)


def error(doc: dict[str, Any]) -> bytes:
    """What is wrong with a frame, ready for the socket."""
    return encode(doc)


def _auth(frame: dict[str, Any], ref: str | int | None) -> Message:
    token, stands = frame.get("token"), frame.get("since")
    if not isinstance(token, str):
        return Refused("invalid_request", "token is a text.", ref)
    if stands is None:
        return Auth(token, Since(), ref)
    found = (
        since(stands.get("epoch"), stands.get("me"), stands.get("all")) if isinstance(stands, dict) else None
    )
    if found is None:
        return Refused("invalid_request", "since is an object of epoch (text), me and all (numbers).", ref)
    return Auth(token, found, ref)


def _send(frame: dict[str, Any], ref: str | int | None) -> Message:
    """As it stands: who judges it needs to know who sends it."""
    return _UNASKED if ref is None else Send(frame, ref)


def _message(frame: dict[str, Any], ref: str | int | None) -> Message:
    """A `send` to one user, or several, with `body` for data."""
    if ref is None:
        return _UNASKED
    if frame.get("conversation") is not None:
        return Refused("not_supported", "conversation: Not served by this version.", ref)
    to, body = frame.get("to"), frame.get("body")
    data = {"message": body} if isinstance(body, str) else body
    users = {"users": [to]} if isinstance(to, str) else to
    return Send({**frame, "to": users, "event": "message", "data": data}, ref)


def _refresh(frame: dict[str, Any], ref: str | int | None) -> Message:
    token = frame.get("token")
    if ref is None:
        return _UNASKED
    if not isinstance(token, str):
        return Refused("invalid_request", "token is a text.", ref)
    return Refresh(token, ref)


def _ack(frame: dict[str, Any], ref: str | int | None) -> Message:
    me, everyone = frame.get("me"), frame.get("all")
    if not all(value is None or _is_seq(value) for value in (me, everyone)):
        return Refused("invalid_request", "me and all are numbers.", ref)
    return Ack(me or 0, everyone or 0)


def _mark(frame: dict[str, Any], ref: str | int | None) -> Message:
    ids = frame.get("ids")
    if ref is None:
        return _UNASKED
    if not isinstance(ids, list) or not 0 < len(ids) <= IDS_MAX:
        return Refused("invalid_request", f"ids is a list of 1 to {IDS_MAX} ids.", ref)
    if not all(isinstance(one, str) and is_uuid7(one) for one in ids):
        return Refused("invalid_request", "ids holds something that is no notification id.", ref)
    return Mark(frame["type"], ids, ref)


def _watch(frame: dict[str, Any], ref: str | int | None) -> Message:
    users = frame.get("users")
    if ref is None:
        return _UNASKED
    if frame.get("conversation") is not None:
        return Refused("not_supported", "conversation: Not served by this version.", ref)
    if frame["type"] == "unwatch" and users is None:
        return Unwatch([], ref)
    if not isinstance(users, list) or not users or not all(map(is_user, users)):
        return Refused("invalid_request", "users is a list of ids of users.", ref)
    return Watch(users, ref) if frame["type"] == "watch" else Unwatch(users, ref)


def _is_ref(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= REF_MAX
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) <= SEQ_MAX)


def _is_seq(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= SEQ_MAX


_UNASKED: Final = Refused("invalid_request", "ref is needed: the reply carries it.", None)
READERS: Final[dict[str, Callable[[dict[str, Any], str | int | None], Message]]] = {
    "ack": _ack,
    "auth": _auth,
    "ping": lambda _, ref: Ping(ref),
    "send": _send,
    "message": _message,
    "refresh": _refresh,
    "watch": _watch,
    "unwatch": _watch,
    **dict.fromkeys(ACTIONS, _mark),
}
"""What each type of frame that a client may send means."""
