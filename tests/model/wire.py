"""A socket between a node and a device, without a kernel: bytes one way, messages the other.

The node's side is what wsnode.transport takes for a socket and an event loop. `room` is how much the kernel still
takes: a client that does not read has little, and what is cut in the middle of a frame never arrives.
"""

import json
from collections import deque
from collections.abc import Callable, Collection
from typing import Any

_TEXT, _CLOSE = 0x81, 0x88
_WRITE = 2
_SHORT, _MIDDLE = 126, 127


class Watcher:
    """A watcher of the event loop that the model triggers itself."""

    def __init__(self) -> None:
        self.callback: Callable[[], None] | None = None

    def start(self, callback: Callable[[], None]) -> None:
        self.callback = callback

    def stop(self) -> None:
        self.callback = None

    def close(self) -> None:
        self.callback = None


class Loop:
    """As much of an event loop as wsnode.transport asks for."""

    def __init__(self) -> None:
        self._writers: dict[int, Watcher] = {}

    def io(self, fd: int, events: int) -> Watcher:
        watcher = Watcher()
        if events == _WRITE:
            self._writers[fd] = watcher
        return watcher

    def writable(self, fd: int) -> None:
        """The kernel takes bytes again."""
        watcher = self._writers.get(fd)
        if watcher is not None and watcher.callback is not None:
            watcher.callback()


class Wire:
    """One connection. `sent` are the messages on their way to the node."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.room: int | None = None
        self.arriving = bytearray()
        self.sent: deque[dict[str, Any]] = deque()
        self.closed = False

    # The node's side

    def fileno(self) -> int:
        return self._number

    def send(self, data: bytes | memoryview) -> int:
        if self.closed:
            raise BrokenPipeError("the client is gone")
        taken = len(data) if self.room is None else min(self.room, len(data))
        if self.room is not None:
            self.room -= taken
        if not taken:
            raise BlockingIOError
        self.arriving += data[:taken]
        return taken

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    # The device's side

    def receive(self) -> dict[str, Any] | int | None:
        """The next whole message: a frame, or the code of a Close frame; None if there is none."""
        cut = _frame(self.arriving)
        if cut is None:
            return None
        first, payload, size = cut
        del self.arriving[:size]
        if first == _CLOSE:
            return int.from_bytes(payload[:2], "big")
        assert first == _TEXT
        frame: dict[str, Any] = json.loads(payload)
        return frame

    def spoil(self, pick: int, way: str, streams: Collection[str]) -> bool:
        """Lose, double or swap one frame of these streams that is on its way; whether there was one."""
        frames, data = [], bytearray(self.arriving)
        while (cut := _frame(data)) is not None:
            frames.append(bytes(data[: cut[2]]))
            del data[: cut[2]]
        wanted = [f'"stream":"{stream}"'.encode() for stream in streams]
        places = [n for n, frame in enumerate(frames) if any(one in frame for one in wanted)]
        if not places:
            return False
        place = places[pick % len(places)]
        if way == "lost":
            del frames[place]
        elif way == "twice":
            frames.insert(place, frames[place])
        else:
            frames[place : place + 2] = reversed(frames[place : place + 2])
        self.arriving = bytearray(b"".join(frames)) + data
        return True

    def sent_up_to(self, stream: str, at: int) -> int:
        """The highest place in a stream that is on its way to a device that stands at `at`."""
        data = bytearray(self.arriving)
        while (cut := _frame(data)) is not None:
            first, payload, size = cut
            del data[:size]
            if first == _TEXT:
                frame = json.loads(payload)
                own = frame.get("seq") if frame.get("stream") == stream else frame.get(stream)
                at = max(at, own or 0)
        return at


def _frame(data: bytearray) -> tuple[int, bytes, int] | None:
    """First byte, payload and size of the first frame in `data`, if it is whole."""
    if len(data) < 2:
        return None
    size, start = data[1], 2
    if size == _SHORT:
        size, start = int.from_bytes(data[2:4], "big"), 4
    elif size == _MIDDLE:
        size, start = int.from_bytes(data[2:10], "big"), 10
    if len(data) < start + size:
        return None
    return data[0], bytes(data[start : start + size]), start + size
