"""What one connection could not send yet: bounded in bytes, whole frames in order, no sockets."""

from collections import deque
from typing import Final

FREE_MAX: Final = 8_388_608
"""Bytes that a resume may leave waiting; whoever misses more gets it in several connections, each of them a step on."""


class Outbox:
    """Bytes that wait until the kernel takes more; made only when it would block, dropped when empty.

    Over `limit` the client is too slow. What a resume brings is bounded by itself and may be `free`: it lifts the
    limit by its size, so that a client that returns after a long time is not cut off for what it missed.
    """

    __slots__ = ("_allowed", "_chunks", "pong", "progressed_at", "size")

    def __init__(self, limit: int, now: float) -> None:
        self._chunks: deque[memoryview] = deque()
        self._allowed = limit
        self.size = 0
        self.pong: bytes | None = None
        """The answer to the latest ping: goes out at the next edge between chunks, which is one between frames."""
        self.progressed_at = now
        """Monotonic seconds at which the kernel last took bytes: the write deadline counts from here."""

    def put(self, data: bytes, *, free: bool = False) -> bool:
        """Queue bytes; False if that is too much. A first chunk is always taken, however long its frame is."""
        if free and self._chunks and self.size + len(data) > FREE_MAX:
            return False
        if free or not self._chunks:
            self._allowed += len(data)
        elif self.size + len(data) > self._allowed:
            return False
        self._chunks.append(memoryview(data))
        self.size += len(data)
        return True

    def first(self) -> memoryview:
        """What to send next."""
        return self._chunks[0]

    def sent(self, size: int, now: float) -> None:
        """The kernel took the first `size` bytes of `first()`."""
        self.progressed_at = now
        self.size -= size
        chunk = self._chunks[0]
        if size == len(chunk):
            self._chunks.popleft()
            if self.pong is not None:
                self._chunks.appendleft(memoryview(self.pong))
                self.size += len(self.pong)
                self.pong = None
        else:
            self._chunks[0] = chunk[size:]

    def rest(self) -> bytes:
        """Everything that waits."""
        return b"".join(self._chunks)

    def cut(self) -> None:
        """Forget all but the chunk under way: after its end a Close frame still is at a frame's edge."""
        self.pong = None
        if self._chunks:
            first = self._chunks[0]
            self._chunks.clear()
            self._chunks.append(first)
            self.size = len(first)
