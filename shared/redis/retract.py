"""Take back what was published: tails, records, and one message per node. The way back of shared.redis.publish.

One script call for up to 500 users. Running it again is harmless: a position stays a position, an older record never
wins, and clients take away what they do not have any more.
"""

from collections.abc import Sequence

import orjson
import redis

from shared.protocol.envelope import Counts
from shared.protocol.retracts import Gone
from shared.redis import keys
from shared.redis.publish import record_text
from shared.redis.scripts import Script

CANCELLED = "cancelled"
"""The reason that clients are told."""


class Retractor:
    """Adapter of retract.lua and retract_all.lua; `life` of a tail is in seconds."""

    def __init__(self, client: redis.Redis, *, life: int = 900) -> None:
        self._client = client
        self._life = life
        self._users = Script("retract")
        self._all = Script("retract_all")

    def retract(self, app: str, epoch: str, id: str, users: Sequence[Gone]) -> tuple[str, ...]:
        """Take one notification from these users and tell their connections; nodes that do not listen.

        Raises RedisUnavailable.
        """
        args: list[str | int | bytes] = [app, epoch, _what(id)]
        for one in users:
            told = f"{one.record.rev} {_numbers(one.counts)}"
            args += (one.record.user, one.seq, record_text(one.record), told)
        return _deaf(self._users.run(self._client, [], args)[2]) if users else ()

    def blank(self, app: str, epoch: str, places: Sequence[tuple[str, int]]) -> None:
        """Make places (user, seq) of users' tails positions, and tell nobody. Raises RedisUnavailable."""
        args: list[str | int | bytes] = [app, epoch, ""]
        for user, seq in places:
            args += (user, seq, "", "")
        if places:
            self._users.run(self._client, [], args)

    def retract_all(self, app: str, epoch: str, id: str, *, seq: int, place: int) -> tuple[str, ...]:
        """Take what went to everyone from all; `place` is the new end of the stream. Nodes that do not listen.

        Raises RedisUnavailable.
        """
        names = [keys.app(app), keys.tail_all(app), keys.NODES]
        return _deaf(self._all.run(self._client, names, [app, epoch, _what(id), seq, place, self._life])[1])


def _what(id: str) -> bytes:
    return orjson.dumps({"ids": [id], "reason": CANCELLED})


def _numbers(counts: Counts) -> str:
    return f"{counts.total} {counts.unseen} {counts.unread} {counts.archived}"


def _deaf(nodes: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(node.decode() for node in nodes)
