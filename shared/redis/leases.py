"""Leases of nodes: presence counts only under a live lease, so a dead node needs no cleaning."""

from typing import Any

import redis

from shared.redis import keys
from shared.redis.client import guarded
from shared.redis.scripts import Script


class Leases:
    """Adapter of lease:{node} and the set of nodes; `life` is in seconds."""

    def __init__(self, client: redis.Redis, *, life: int = 15) -> None:
        self._client = client
        self._life = life
        self._sweep = Script("leases_sweep")

    def take(self, node: str, address: str) -> None:
        """Begin a lease. Raises RedisUnavailable."""
        with guarded():
            pipeline = self._client.pipeline(transaction=True)
            pipeline.set(keys.lease(node), address, ex=self._life)
            pipeline.sadd(keys.NODES, node)
            pipeline.sadd(keys.PRESENT_NODES, node)
            pipeline.execute()

    def renew(self, node: str) -> bool:
        """Prolong it; False if it is gone: then register all users again. Raises RedisUnavailable."""
        with guarded():
            # Not SET: a full Redis refuses that, and a node that hears would be taken for dead.
            return bool(self._client.expire(keys.lease(node), self._life))

    def drop(self, node: str) -> None:
        """End it at once, as on a drain. Raises RedisUnavailable."""
        with guarded():
            pipeline = self._client.pipeline(transaction=True)
            pipeline.delete(keys.lease(node))
            pipeline.srem(keys.NODES, node)
            pipeline.execute()

    def live(self) -> dict[str, str]:
        """Nodes with a live lease and their addresses. Raises RedisUnavailable."""
        with guarded():
            members: Any = self._client.smembers(keys.NODES)
            nodes = sorted(node.decode() for node in members)
            addresses: Any = self._client.mget([keys.lease(node) for node in nodes]) if nodes else []
        return {node: at.decode() for node, at in zip(nodes, addresses, strict=True) if at is not None}

    def sweep(self) -> int:
        """Forget nodes whose lease is over; tells how many. Raises RedisUnavailable."""
        return int(self._sweep.run(self._client, [keys.NODES], []))
