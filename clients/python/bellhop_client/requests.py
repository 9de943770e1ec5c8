"""What was asked over the socket (`read`, `seen`, `archive`, `send`, `watch`, `unwatch`) and has no answer yet.

Every request is idempotent (what is sent carries a `key`), so those without an answer are asked again on the next
connection.
"""

from typing import Any
from uuid import uuid4

from bellhop_client.actions import Action, Frame, Settle


def error(code: str, message: str, *, retryable: bool) -> Frame:
    """An error in the shape the server uses."""
    return {"code": code, "message": message, "retryable": retryable}


def sending(to: str | Frame, event: str, data: Frame, options: Frame) -> Frame:
    """The fields of `send`; its `key`, by which the server knows a repetition, is made up if it is not given."""
    users = {"users": [to]} if isinstance(to, str) else to
    return {"to": users, "event": event, "data": data, "key": uuid4().hex, **options}


class Requests:
    """Open requests by `ref`, each with the time until which it waits."""

    def __init__(self, wait: float) -> None:
        self._wait = wait
        self._count = 0
        self._open: dict[str, tuple[Frame, float]] = {}

    def add(self, kind: str, fields: Frame, now: float) -> tuple[str, Frame]:
        """A new request and its `ref`."""
        self._count += 1
        ref = f"r{self._count}"
        frame: Frame = {"type": kind, **fields, "ref": ref}
        self._open[ref] = (frame, now + self._wait)
        return ref, frame

    def take(self, ref: Any) -> bool:
        """Close the request `ref`; false if it is none of ours, or answered already."""
        return isinstance(ref, str) and self._open.pop(ref, None) is not None

    def frames(self) -> list[Frame]:
        """What still waits for an answer, oldest first."""
        return [frame for frame, _ in self._open.values()]

    def expire(self, now: float) -> list[Action]:
        """Give up those that waited too long."""
        late = [ref for ref, (_, until) in self._open.items() if until <= now]
        for ref in late:
            del self._open[ref]
        return [Settle(ref, error=error("timeout", "no answer in time", retryable=True)) for ref in late]

    def refuse(self) -> list[Action]:
        """Give up all of them: the client stops."""
        refs, self._open = list(self._open), {}
        stopped = error("stopped", "the client has stopped", retryable=False)
        return [Settle(ref, error=stopped) for ref in refs]

    def next_at(self) -> float | None:
        """When the next one has waited too long."""
        return min((until for _, until in self._open.values()), default=None)
