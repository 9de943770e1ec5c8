"""What waits to go to Redis together, each once. What a call refuses goes behind the others, in smaller company.

So one that is refused for itself (a record of another type) holds up nobody else for long: in the end it is alone.
"""

from collections.abc import Callable
from itertools import islice
from typing import Generic, TypeVar

from shared.redis.client import RedisUnavailable

T = TypeVar("T")


class Batches(Generic[T]):
    """At most `most` at once."""

    def __init__(self, most: int) -> None:
        self._most = self._size = most
        self._waiting: dict[T, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, thing: T) -> None:
        """Let it wait, if it does not yet."""
        self._waiting[thing] = None

    def give(self, call: Callable[[list[T]], None]) -> None:
        """Hand all that waits to `call`, batch by batch. Raises what it raises.

        Then the rest waits, and the refused batch behind it; only one thing that fails alone, and not because Redis
        cannot be used, is dropped.
        """
        while self._waiting:
            some = list(islice(self._waiting, self._size))
            for thing in some:
                del self._waiting[thing]
            try:
                call(some)
            except Exception as error:
                self._size = max(1, self._size // 2)
                if len(some) > 1 or isinstance(error, RedisUnavailable):
                    self._waiting.update(dict.fromkeys(some))
                raise
            self._size = min(self._most, self._size * 2)
