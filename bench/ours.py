"""Our side of the fan-out: a real system whose first node holds all the clients."""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.contestants import PAYLOAD
from bench.context import Context
from bench.load_tools import WebSocketLoad
from bench.played_node import make_known
from bench.publishing import padded
from bench.stack import Stack, stack

_BATCH = 1000
_WARM_FRAMES = 3


class BellhopSide:
    """The real system; its first node is what is measured."""

    name = "bellhop"

    def __init__(self, ours: Stack, load: WebSocketLoad, users: Sequence[str]) -> None:
        self.load, self._ours, self._users = load, ours, users
        self.pids = [ours.node_pid(0)]

    def broadcast(self, count: int) -> int:
        """POST them in batches: every one goes through journal, worker, tail and Redis."""
        data = [padded(PAYLOAD) for _ in range(count)]
        started = time.monotonic_ns()
        for at in range(0, count, _BATCH):
            self._ours.notify_each([None] * len(data[at : at + _BATCH]), data[at : at + _BATCH])
        return started

    def unicast(self, count: int) -> int:
        """Let the worker store and publish all of them while the node is frozen, then let the node go."""
        with self._ours.frozen("node"):
            for _ in range(0, count, _BATCH):
                users = random.choices(self._users, k=_BATCH)
                self._ours.notify_each(users, [padded(PAYLOAD) for _ in users])
            self._ours.settle()
        return time.monotonic_ns()

    def frame_size(self) -> int:
        """Bytes of the text of one of our frames."""
        self.load.reset()
        for _ in range(_WARM_FRAMES):
            self._ours.notify(None, padded(PAYLOAD))
        seen = self.load.wait(_WARM_FRAMES * self.load.opened, 20)
        return round(seen.bytes / seen.frames) - 4


@contextmanager
def our_side(context: Context, connections: int, *, mode: str = "native") -> Iterator[BellhopSide]:
    """One node with `connections` users, each on one connection, `native` or `socketio`."""
    users = [f"u{i}" for i in range(connections)]
    with stack(context, nodes=1, under_test=("node",)) as ours:
        make_known(ours, users)
        sockets = ours.sockets(users) if mode == "native" else ours.socketio(users)
        with WebSocketLoad(sockets, mode=mode) as load:
            load.wait(connections if mode == "native" else 0, 20)
            ours.settle()
            ours.pin(("node",))
            yield BellhopSide(ours, load, users)
