"""The classic dialect (paths `/` and `/socket`): notifications and messages of two earlier designs. Pure.

Out: `{"type":"NOTIFICATION","data":{…}}` and nothing of streams, counts or marks. In: `auth`, `refresh` and `message`;
whatever else a client says is passed over, because those designs did. It never confirms.
"""

from typing import Any, Final

import orjson

from shared.protocol import bare
from shared.protocol.close_codes import CloseCode
from shared.protocol.envelope import Counts
from shared.redis.streams import Since
from wsnode import events as say
from wsnode import wire
from wsnode.messages import IGNORED, Auth, Message, Refresh, Send

name: Final = "classic"
acks: Final = False
lenient: Final = True
beat: Final = wire.PING

EVENT: Final = "message"
FAILED: Final = {"status": "error", "message": "Failed to process message"}
"""The one thing that is said of what was not done, whatever it was and whatever the reason."""

NOT_SENT: Final = wire.text(orjson.dumps(FAILED))


def decode(text: str) -> Message:
    """What a client's text means. Raises nothing."""
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        return IGNORED
    if not isinstance(frame, dict):
        return IGNORED
    match frame:
        case {"type": "auth", "token": str(token)}:
            return Auth(token, Since(), None)
        case {"type": "refresh", "token": str(token)}:
            return Refresh(token, None)
        case {"type": "message"}:
            given = frame.get("token")
            # What is there and is no token must not pass for none.
            own = given if given is None or isinstance(given, str) else ""
            return Send(_sent(frame), None, token=own, published=True)
        case _:
            return IGNORED


def notification(stream: str, seq: int, prev: int, fragment: bytes, user: str | None) -> bytes:  # noqa: ARG001
    """The data as it was sent; of what a user sent also who that was, and the id of the message."""
    last = _last[0]
    if last[0] is fragment:
        return last[1]
    doc = orjson.loads(b"{" + fragment)
    data = doc["data"]
    if bare.is_bare(data):
        data = data[bare.VALUE]
    if "from" in doc and isinstance(data, dict):
        # Last, so that nobody gives himself another name.
        data = {**_content(data), **data, "id": doc["id"], "from": doc["from"]}
    # Put together, not dumped as one: data may be nested as deeply as orjson goes, and no deeper.
    frame = wire.text(b'{"type":"NOTIFICATION","data":%b}' % orjson.dumps(data))
    _last[0] = (fragment, frame)
    return frame


def position(stream: str, prev: int, seq: int) -> bytes:  # noqa: ARG001
    """Nothing: there are no positions here."""
    return b""


def welcome(event: say.Welcome, *, connection: str, user: str, expires_at: int | None) -> bytes:  # noqa: ARG001
    """Nothing."""
    return b""


def caught_up(event: say.CaughtUp) -> bytes:  # noqa: ARG001
    """Nothing."""
    return b""


def told(event: say.Told) -> bytes:  # noqa: ARG001
    """Nothing."""
    return b""


def state(doc: dict[str, Any]) -> bytes:  # noqa: ARG001
    """Nothing."""
    return b""


def retract(
    ids: list[str],  # noqa: ARG001
    reason: str,  # noqa: ARG001
    *,
    counts: Counts | None = None,  # noqa: ARG001
    rev: int | None = None,  # noqa: ARG001
) -> bytes:
    """Nothing."""
    return b""


def signal(doc: dict[str, Any]) -> bytes:  # noqa: ARG001
    """Nothing."""
    return b""


def reply(doc: dict[str, Any]) -> bytes:
    """What became of a message, `{"status":"sent","id"}`, or of a token, `{"status":"refreshed","expires_at"}`."""
    if doc["type"] != "reply":
        return NOT_SENT
    result = doc["result"]
    if "expires_at" in result:
        return wire.text(orjson.dumps({"status": "refreshed", "expires_at": result["expires_at"]}))
    return wire.text(orjson.dumps({"status": "sent", "id": result.get("id")}))


def error(doc: dict[str, Any]) -> bytes:
    """Of a message that it failed; of nothing else anything."""
    return NOT_SENT if doc["ref"] is not None else b""


def pong(ref: str | int | None) -> bytes:  # noqa: ARG001
    """Nothing."""
    return b""


def expiring(expires_at: int) -> bytes:  # noqa: ARG001
    """Nothing: it comes back with another token when it is closed."""
    return b""


def bye(code: CloseCode, reason: str, *, retry_after: float) -> bytes:  # noqa: ARG001
    """Nothing: the Close frame says it."""
    return b""


def _sent(frame: dict[str, Any]) -> dict[str, Any]:
    """The message as a native `send` frame; one that names nobody is for everyone, as it was there."""
    to, content = frame.get("to"), frame.get("content")
    data = {"message": content} if isinstance(content, str) else content
    return {"to": _audience(to, frame.get("conversation")), "event": EVENT, "data": data}


def _audience(to: Any, conversation: Any) -> dict[str, Any]:
    if to is None:
        return {"everyone": True} if conversation is None else {"conversation": conversation}
    named = to if isinstance(to, list) else [to]
    users = [str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in named]
    found: dict[str, Any] = {"users": users}
    return found if conversation is None else found | {"conversation": conversation}


def _content(data: dict[str, Any]) -> dict[str, Any]:
    """The text of a message by both its names: one of the designs says `message`, the other `content`."""
    said = data.get("message", data.get("content"))
    return {} if said is None else {"message": said, "content": said}


_last: list[tuple[bytes, bytes]] = [(b"", b"")]
"""The frame that was made last: whatever its place, it is the same for every receiver of the notification."""
