"""A connection that a test plays the server of, for the Python shell."""

import json
import queue
import threading
from collections.abc import Callable
from typing import Any

from bellhop_client.outside import Outside
from bellhop_client.transport import Closed, Text

PATIENCE = 10.0
WELCOME = {
    "type": "welcome",
    "connection": "c",
    "user": "ana",
    "epoch": "e1",
    "me": 4,
    "all": 2,
    "recovered": True,
}


def note(seq: int) -> dict[str, Any]:
    """A notification frame of `me`."""
    return {
        "type": "notification",
        "stream": "me",
        "seq": seq,
        "prev": seq - 1,
        "id": f"n{seq}",
        "event": "e",
        "data": {},
    }


class Wire:
    """One connection: the test gives frames and takes what the client sent."""

    def __init__(self) -> None:
        self._in: queue.Queue[Any] = queue.Queue()
        self.sent: queue.Queue[dict[str, Any]] = queue.Queue()
        self.closed: tuple[int, str] | None = None

    def give(self, *frames: dict[str, Any] | str) -> None:
        for frame in frames:
            self._in.put(Text(frame if isinstance(frame, str) else json.dumps(frame)))

    def end(self, code: int, reason: str = "") -> None:
        self._in.put(Closed(code, reason))

    def take(self) -> dict[str, Any]:
        """The next frame from the client."""
        return self.sent.get(timeout=PATIENCE)

    # what the client sees

    def send(self, text: str) -> None:
        self.sent.put(json.loads(text))

    def receive(self, timeout: float | None) -> Any:
        try:
            return self._in.get(timeout=PATIENCE if timeout is None else timeout)
        except queue.Empty:
            return None

    def wake(self) -> None:
        self._in.put(None)

    def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = (code, reason)


class World:
    """What the client dials, one wire after the other, and with what."""

    def __init__(self) -> None:
        self.dialled: list[tuple[str, list[str]]] = []
        self._answers: queue.Queue[Wire | Closed] = queue.Queue()
        self.outside = Outside(random=lambda: 0.0, dial=self._dial)

    def wire(self) -> Wire:
        """The wire a coming connection gets."""
        wire = Wire()
        self._answers.put(wire)
        return wire

    def refuse(self, closed: Closed) -> None:
        """A coming connection is refused."""
        self._answers.put(closed)

    def _dial(self, url: str, headers: list[str]) -> Wire | Closed:
        self.dialled.append((url, headers))
        try:
            return self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            # Of a client that was stopped meanwhile; its thread must not fail in the middle of another test.
            return Closed(1006, "nobody answers")


class Heard:
    """Notes events; `until` waits for one without sleeping."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._news = threading.Condition()

    def hear(self, event: str) -> Callable[[dict[str, Any]], None]:
        def note_down(payload: dict[str, Any]) -> None:
            with self._news:
                self.events.append((event, payload))
                self._news.notify_all()

        return note_down

    def until(self, condition: Callable[[], bool]) -> None:
        with self._news:
            assert self._news.wait_for(condition, PATIENCE), self.events

    def of(self, event: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.events if name == event]
