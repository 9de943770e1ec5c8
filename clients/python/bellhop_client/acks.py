"""When to acknowledge, and what: cumulative, in batches, only what moved.

Its own class because three places ask for an ack (a full batch, the clock, the last word before a close).
"""

from typing import Any

from bellhop_client.actions import STREAMS, Action, Emit, Position, Send


class Acks:
    """What the server knows that we have, and when it hears the next time."""

    def __init__(self, every: int, after: float) -> None:
        self._every = every
        self._after = after
        self._known = Position()
        self._waiting = 0
        self.due_at: float | None = None

    def known(self, position: Position) -> None:
        """The server knows this already: it said so itself, or we said it as `since`."""
        self._known = position
        self._waiting = 0
        self.due_at = None

    def took(self, theirs: Position, *, where_unknown_in: Position) -> None:
        """A position taken over from the server is no news to it."""
        for stream in STREAMS:
            top = theirs.get(stream)
            if top is not None and where_unknown_in.get(stream) is None:
                self._known = self._known.at(stream, top)

    def moved(self, now: float) -> bool:
        """One more to tell; true if the batch is full."""
        self._waiting += 1
        if self.due_at is None:
            self.due_at = now + self._after
        return self._waiting >= self._every

    def flush(self, position: Position) -> list[Action]:
        """The ack frame for what moved since the last one; nothing if nothing did."""
        news: dict[str, Any] = {}
        for stream in STREAMS:
            last = position.get(stream)
            if last is not None and last != self._known.get(stream):
                news[stream] = last
        self.known(position)
        return [Send({"type": "ack", **news}), Emit("acked", news)] if news else []
