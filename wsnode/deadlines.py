"""Things that fall due a fixed time after they were added: one queue, no timer per thing."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """First in, first due. Nothing is ever cancelled: the owner asks whether what fell due still matters."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: deque[tuple[float, T]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, thing: T, now: float) -> None:
        """`thing` falls due `seconds` after `now` (monotonic)."""
        self._waiting.append((now + self._seconds, thing))

    def take(self, now: float) -> list[T]:
        """What fell due, oldest first."""
        due: list[T] = []
        waiting = self._waiting
        while waiting and waiting[0][0] <= now:
            due.append(waiting.popleft()[1])
        return due
