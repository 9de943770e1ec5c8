"""A node that only listens: it holds a lease and users as a real one does, so workers publish to it."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from bench.listening import Listener
from bench.load_tools import WebSocketLoad
from bench.publishing import padded
from bench.stack import Stack
from shared.protocol.envelope import Frames, decode
from shared.redis import keys
from shared.redis.leases import Leases
from shared.redis.streams import Since, Streams

_BATCH = 1000
_LIFE = 600


class PlayedNode:
    """A node that only listens: it holds a lease and users, so that workers publish to it."""

    _NODE = "bench"

    def __init__(self, ours: Stack, users: Sequence[str]) -> None:
        self._ours, self._users = ours, users
        self._leases = Leases(ours.redis, life=_LIFE)
        self._streams = Streams(ours.redis, life=_LIFE)
        self._messages = self._items = 0

    def __enter__(self) -> Self:
        self.renew()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leases.drop(self._NODE)

    def renew(self) -> None:
        """Take the lease and register all users (again)."""
        self._leases.take(self._NODE, "bench:0")
        self._streams.connect(self._NODE, [("main", user, Since()) for user in self._users])

    def listener(self) -> Listener:
        """Listen on the node's channel, counting frames."""
        return Listener(self._ours.valkey.port, keys.channel(self._NODE), self._weigh)

    def _weigh(self, raw: bytes) -> int:
        envelope = decode(raw)
        if not isinstance(envelope, Frames):
            return 0
        self._messages += 1
        self._items += len(envelope.items)
        return len(envelope.items)

    def group_size(self) -> float:
        """Frames in one message so far, on average."""
        return round(self._items / max(1, self._messages), 1)


def make_known(ours: Stack, users: Sequence[str]) -> None:
    """Let the system meet users before they connect: each connects once, and gets a notification while away.

    Otherwise first connections wait for a worker, which is worth measuring, but not in a benchmark of something else.
    """
    with WebSocketLoad(ours.sockets(users)):
        ours.settle()
    with PlayedNode(ours, users):
        for at in range(0, len(users), _BATCH):
            some = users[at : at + _BATCH]
            ours.notify_each(some, [padded(64) for _ in some])
        ours.settle()
