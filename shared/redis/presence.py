"""Who is online: asked by the api, watched by nodes, and told to them when somebody comes or has left.

That a user came is noticed by the script that registers him (lua/connect.lua); that one left is told by `sweep`, once
his grace is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis

from shared.redis import keys
from shared.redis.client import guarded
from shared.redis.scripts import Argument, Script

BATCH: Final = 250
"""Users of one call: about 2 ms of Redis's time."""
WATCH_LIFE: Final = 120
"""Seconds after which a node that does not say again that it watches a user is told nothing more."""

Name = tuple[str, str]
"""App and user."""


@dataclass(frozen=True, slots=True)
class Present:
    """What Redis knows of a user: `nodes` with the number of connections on each; `seen` is epoch milliseconds of the
    last moment online, where that is not in the database yet."""

    online: bool
    seen: int | None
    nodes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did: how many users it took off dead nodes, how many it said to have left; `more` may wait."""

    moved: int
    left: int
    more: bool


class Presence:
    """Adapter of the scripts of presence. `grace` is in seconds; with `everybody` all nodes are told who left, not only
    those that watch."""

    def __init__(self, client: redis.Redis, *, grace: float = 10, everybody: bool = False) -> None:
        self._client = client
        self._grace = round(grace * 1000)
        self._everybody = int(everybody)
        self._read = Script("presence_read", "presence")
        self._sweep = Script("presence_sweep", "presence")
        self._watch = Script("watch", "presence")
        self._done = Script("acks_done")

    def read(self, app: str, users: Sequence[str]) -> list[Present]:
        """What is known of each. Raises RedisUnavailable."""
        found: list[Present] = []
        for start in range(0, len(users), BATCH):
            args: list[Argument] = [app, self._grace, *users[start : start + BATCH]]
            found += map(_present, self._read.run(self._client, [keys.PRESENT_SEEN], args))
        return found

    def count(self, node: str, connections: Mapping[Name, int]) -> None:
        """How many connections users have on a node that they are on; one, if nobody says. Raises RedisUnavailable."""
        fields = [(f"{app} {user}", number) for (app, user), number in connections.items()]
        for start in range(0, len(fields), BATCH):
            with guarded():
                self._client.hset(keys.online(node), mapping=dict(fields[start : start + BATCH]))

    def watch(self, node: str, users: Sequence[Name]) -> list[bool]:
        """This node watches these users, now or still; who of them is online. Raises RedisUnavailable."""
        found: list[bool] = []
        for start in range(0, len(users), BATCH):
            args: list[Argument] = [node, WATCH_LIFE, self._grace]
            for app, user in users[start : start + BATCH]:
                args += (app, user)
            found += [bool(online) for online in self._watch.run(self._client, [], args)]
        return found

    def unwatch(self, node: str, users: Sequence[Name]) -> None:
        """It does not watch them any more. Raises RedisUnavailable."""
        with guarded():
            pipeline = self._client.pipeline(transaction=False)
            for app, user in users:
                pipeline.srem(keys.watch(app, user), node)
            pipeline.execute()

    def sweep(self, *, limit: int = BATCH) -> Swept:
        """Tell of those who left; any number of processes may do it at once. Raises RedisUnavailable."""
        names = [keys.PRESENT_NODES, keys.PRESENT_LEAVING, keys.PRESENT_SEEN]
        moved, left, more = self._sweep.run(self._client, names, [limit, self._grace, self._everybody])
        return Swept(int(moved), int(left), bool(more))

    def take_seen(self, limit: int) -> list[tuple[Name, int]]:
        """Up to `limit` users who left, with when they were last here (ms); they stay until done_seen() is told.

        Raises RedisUnavailable.
        """
        with guarded():
            flat: Any = self._client.hrandfield(keys.PRESENT_SEEN, limit, withvalues=True) or []
        pairs = (
            flat if flat and isinstance(flat[0], (list, tuple)) else zip(flat[::2], flat[1::2], strict=True)
        )
        return [(_name(field), int(at)) for field, at in pairs]

    def done_seen(self, seen: Sequence[tuple[Name, int]]) -> None:
        """Remove what was committed, unless it moved on. Raises RedisUnavailable."""
        args: list[Argument] = []
        for (app, user), at in seen:
            args += (f"{app} {user}", str(at))
        if args:
            self._done.run(self._client, [keys.PRESENT_SEEN], args)


def _name(field: bytes) -> Name:
    app, _, user = field.decode().partition(" ")
    return app, user


def _present(reply: list[Any]) -> Present:
    online, seen, *nodes = reply
    numbers = tuple((node.decode(), int(n)) for node, n in zip(nodes[::2], nodes[1::2], strict=True))
    return Present(bool(online), int(seen) if seen else None, numbers)
