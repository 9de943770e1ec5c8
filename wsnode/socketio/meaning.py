"""What events of a client mean: `emit(name, fields, callback)` is the native frame of type `name` with these fields.

So whatever native clients may say, Socket.IO clients may too, and the answer goes to the callback. `send_notification`
is the one word of its own. Pure.
"""

from typing import Any, Final

from wsnode.socketio.packets import Event

DEFAULT_EVENT: Final = "notification"
"""The event of a notification whose sender names none."""

_CALLBACK: Final = "callback "
_SILENT: Final = "emit "
_NEVER: Final = frozenset({"auth", "ping"})
"""Socket.IO has its own of these."""


class NotUnderstood(ValueError):
    """The event is known and its fields are not right; the message says how."""


def frame(event: Event, *, serial: int) -> dict[str, Any] | None:
    """The native frame that this event is, its `ref` what `callback_of` reads; None for an event to be ignored.

    `serial` tells apart those for whose answer nobody waits. Raises NotUnderstood.
    """
    ref = f"{_SILENT}{serial}" if event.id is None else f"{_CALLBACK}{event.id}"
    fields = event.args[0] if event.args else {}
    if event.name == "send_notification":
        return {"type": "send", "ref": ref} | _sent(fields)
    if not isinstance(fields, dict) or event.name in _NEVER:
        return None
    if event.id is None and fields.get("ref") is not None:
        return fields | {"type": event.name}
    return fields | {"type": event.name, "ref": ref}


def callback_of(ref: str | int | None) -> int | None:
    """The id of the callback that waits for the answer to `ref`, if one does."""
    if isinstance(ref, str) and ref.startswith(_CALLBACK) and ref[len(_CALLBACK) :].isdecimal():
        return int(ref[len(_CALLBACK) :])
    return None


def is_silent(ref: str | int | None) -> bool:
    """Whether nobody waits for the answer to `ref`."""
    return ref is None or (isinstance(ref, str) and ref.startswith(_SILENT))


def _sent(fields: Any) -> dict[str, Any]:
    """`{recipientId, message | data, event?}`."""
    if not isinstance(fields, dict):
        raise NotUnderstood("send_notification takes an object.")
    recipient, event = fields.get("recipientId"), fields.get("event", DEFAULT_EVENT)
    if isinstance(recipient, int) and not isinstance(recipient, bool):
        recipient = str(recipient)
    if not isinstance(recipient, str) or not recipient:
        raise NotUnderstood("recipientId is the name of a user.")
    if "data" in fields:
        data = fields["data"]
    elif isinstance(fields.get("message"), str) and fields["message"]:
        data = {"message": fields["message"]}
    else:
        raise NotUnderstood("message is a text, or data says more.")
    return {"to": {"users": [recipient]}, "event": event, "data": data}
