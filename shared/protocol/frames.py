"""The notification frame of the native dialect, in two halves.

`fragment` is what is the same for every receiver; a worker encodes it once. `head` is what differs (stream, seq, prev);
a node writes it in front. Neither half is parsed again on the way.
"""

from typing import Any

import orjson

from shared.clock import rfc3339

_USER = "user:"


def fragment(  # noqa: PLR0913  # the fields of the frame
    *,
    id: str,
    event: str,
    data_json: str,
    sent_at_ms: int,
    expires_at_ms: int,
    sender: str = "",
    replaces: str | None = None,
) -> str:
    """The part of a notification frame from `"id"` on, without a leading brace.

    `data_json` is JSON text and is spliced as it stands, so a frame made again is byte for byte the same.
    `sender` as in the row: only a user is named to receivers.
    """
    user = author(sender)
    tail = f',"from":{_text(user)}' if user is not None else ""
    if replaces is not None:
        tail += f',"replaces":{_text(replaces)}'
    return (
        f'"id":"{id}","event":{_text(event)},"data":{data_json},'
        f'"sent_at":"{rfc3339(sent_at_ms)}","expires_at":"{rfc3339(expires_at_ms)}"{tail}}}'
    )


def author(sender: str) -> str | None:
    """The user who sent it, None if it was none; `sender` is that of shared.auth.principal."""
    return sender.removeprefix(_USER) if sender.startswith(_USER) else None


def replacing(fragment: str, id: str | None) -> str:
    """The same fragment for somebody of whom it replaces the notification `id`; as `fragment` would have made it."""
    return fragment if id is None else f'{fragment[:-1]},"replaces":{_text(id)}}}'


def head(stream: str, seq: int, prev: int) -> str:
    """The part of a notification frame before its fragment."""
    return f'{{"type":"notification","stream":"{stream}","seq":{seq},"prev":{prev},'


def position(stream: str, prev: int, seq: int) -> str:
    """A frame that says: nothing for you in (prev, seq]."""
    return f'{{"type":"position","stream":"{stream}","prev":{prev},"seq":{seq}}}'


def encode(frame: dict[str, Any]) -> str:
    """Any other frame as JSON text."""
    return orjson.dumps(frame).decode()


def _text(value: str) -> str:
    return orjson.dumps(value).decode()
