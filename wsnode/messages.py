"""What a client may say, whatever the dialect it says it in. Pure values; a dialect's `decode` makes them."""

from typing import Any, Final, NamedTuple

from shared.redis.streams import Since


class Auth(NamedTuple):
    """Sign-in by the first message."""

    token: str
    since: Since
    ref: str | int | None


class Ack(NamedTuple):
    """Cumulative confirmation; 0 = nothing said of that stream."""

    me: int
    all: int


class Mark(NamedTuple):
    """read, seen or archive."""

    action: str
    ids: list[str]
    ref: str | int


class Send(NamedTuple):
    """Send a notification, `doc` as the client wrote it: the fields of the native frame `send`, not checked yet."""

    doc: dict[str, Any]
    ref: str | int | None
    """None: the dialect has none, and the connection finds one."""
    token: str | None = None
    """A credential for this message alone; it must be the same user's."""
    published: bool = False
    """Whether the answer waits until it is stored and published, and does not come once it is accepted."""


class Refresh(NamedTuple):
    """Go on with another token of the same user."""

    token: str
    ref: str | int | None
    """None: the dialect has none, and the connection finds one."""


class Watch(NamedTuple):
    """Be told who of these users is online, and when that changes."""

    users: list[str]
    ref: str | int


class Unwatch(NamedTuple):
    """Be told of these no more; of nobody if none is named."""

    users: list[str]
    ref: str | int


class Ping(NamedTuple):
    """For clients that cannot see WebSocket pings."""

    ref: str | int | None


class Refused(NamedTuple):
    """A frame that is not understood; the connection goes on."""

    code: str
    message: str
    ref: str | int | None


class Ignored(NamedTuple):
    """Nothing that anything is done about, and no fault either."""


class Waiting(NamedTuple):
    """What waits for a reply: of the question only its `ref` is kept, because what was asked may be long."""

    ref: str | int


IGNORED: Final = Ignored()

Ask = Mark | Send | Refresh | Watch | Unwatch
"""What is answered later, by a reply."""

Message = Auth | Ack | Mark | Send | Refresh | Watch | Unwatch | Ping | Refused | Ignored


class Unreadable(ValueError):
    """The text says nothing that could be answered: the connection ends (close code 1007)."""


def reply(ref: str | int, result: dict[str, Any]) -> dict[str, Any]:
    """The good answer to a frame with `ref`."""
    return {"type": "reply", "ref": ref, "result": result}


def error(refused: Refused, *, retryable: bool = False, retry_after: float | None = None) -> dict[str, Any]:
    """The bad one; `retry_after` is in seconds."""
    doc: dict[str, Any] = {
        "type": "error",
        "ref": refused.ref,
        "code": refused.code,
        "message": refused.message,
        "retryable": retryable,
    }
    if retry_after is not None:
        doc["retry_after"] = retry_after
    return doc
