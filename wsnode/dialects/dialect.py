"""The shape of a dialect. Everything that a connection says and hears goes through one.

A dialect has no state of its own and is shared by all connections that speak it: a module is one (native, classic), and
so is an object. Frames come back as bytes ready for the transport, so that the hot path makes each once and hands it to
every connection of that dialect; a connection's `dialect` may change while it lives, so nothing ready is kept for later
except what its transport has taken already.
"""

from collections.abc import Callable
from typing import Any, Protocol

from shared.protocol.close_codes import CloseCode
from shared.protocol.envelope import Counts
from wsnode import events as say
from wsnode.messages import Message


class Dialect(Protocol):
    """How frames look. Where it has no word for something it returns b"", and nothing is sent."""

    @property
    def name(self) -> str:
        """What it is called in logs and metrics."""
        ...

    @property
    def acks(self) -> bool:
        """Whether its clients confirm. Of those that never do, what the transport has taken counts as confirmed."""
        ...

    @property
    def lenient(self) -> bool:
        """Whether what cannot be understood (a binary message) is passed over instead of ending the connection, and a
        second `auth` renews the token instead of being refused."""
        ...

    @property
    def beat(self) -> bytes:
        """The heartbeat's ping."""
        ...

    def decode(self, text: str) -> Message:
        """What a client's text means. Raises Unreadable if the connection is to end."""
        ...

    def notification(self, stream: str, seq: int, prev: int, fragment: bytes, user: str | None) -> bytes:
        """A notification; `fragment` as the worker made it (shared.protocol.frames), `user` None: to everyone."""
        ...

    def position(self, stream: str, prev: int, seq: int) -> bytes:
        """Nothing for this client in (prev, seq]."""
        ...

    def welcome(self, event: say.Welcome, *, connection: str, user: str, expires_at: int | None) -> bytes:
        """The greeting; `expires_at` is epoch milliseconds."""
        ...

    def caught_up(self, event: say.CaughtUp) -> bytes:
        """The end of a replay."""
        ...

    def told(self, event: say.Told) -> bytes:
        """The counts that the greeting did not have."""
        ...

    def state(self, doc: dict[str, Any]) -> bytes:
        """What another device of the user did, or the service: the native `state` frame as a document."""
        ...

    def retract(
        self, ids: list[str], reason: str, *, counts: Counts | None = None, rev: int | None = None
    ) -> bytes:
        """Notifications are taken away; without `counts` where they differ between users."""
        ...

    def signal(self, doc: dict[str, Any]) -> bytes:
        """Something passing, such as presence: the native `signal` frame as a document."""
        ...

    def reply(self, doc: dict[str, Any]) -> bytes:
        """The answer to a frame that waits for one: the native `reply` or `error` frame as a document."""
        ...

    def error(self, doc: dict[str, Any]) -> bytes:
        """What is wrong with a frame that waits for no answer: the native `error` frame as a document."""
        ...

    def pong(self, ref: str | int | None) -> bytes:
        """The answer to messages.Ping."""
        ...

    def expiring(self, expires_at: int) -> bytes:
        """The token ends then (epoch milliseconds), and the client may send another."""
        ...

    def bye(self, code: CloseCode, reason: str, *, retry_after: float) -> bytes:
        """The advice just before a close; `retry_after` is in seconds."""
        ...


class Once:
    """One frame in every dialect that somebody speaks, made when first asked for."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[Dialect], bytes]) -> None:
        self._make = make
        self._made: dict[Dialect, bytes] = {}

    def of(self, dialect: Dialect) -> bytes:
        """The frame in this dialect."""
        found = self._made.get(dialect)
        if found is None:
            found = self._made[dialect] = self._make(dialect)
        return found
