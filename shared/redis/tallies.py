"""Counts of the deliveries of big notifications: kept for a while, so that not everybody who asks counts."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import redis

from shared.domain.tally import Tally
from shared.redis import keys
from shared.redis.client import guarded

LIFE: Final = 3600
COUNTING_MS: Final = 10_000
"""How long one that began to count is waited for."""


class Tallies:
    """Adapter of tally:{id} and tally:{id}:counting."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def get(self, ids: Sequence[str]) -> dict[str, Tally]:
        """The counts that there are, of any age. Raises RedisUnavailable."""
        with guarded():
            found: Any = self._client.mget([keys.tally(id) for id in ids]) if ids else []
        return {id: tally for id, raw in zip(ids, found, strict=True) if raw and (tally := _read(raw))}

    def begin(self, id: str) -> bool:
        """Whether the caller shall count: False while somebody else does. Raises RedisUnavailable."""
        with guarded():
            return bool(self._client.set(keys.counting(id), b"", nx=True, px=COUNTING_MS))

    def put(self, tallies: Mapping[str, Tally]) -> None:
        """Keep counts, and let the next one count. Raises RedisUnavailable."""
        with guarded():
            pipeline = self._client.pipeline(transaction=False)
            for id, tally in tallies.items():
                pipeline.set(keys.tally(id), _written(tally), ex=LIFE)
                pipeline.delete(keys.counting(id))
            pipeline.execute()


def _written(tally: Tally) -> bytes:
    fields = (tally.states, tally.first_delivered_at, tally.counted_at, tally.took_ms, tally.mark)
    return orjson.dumps(fields)


def _read(raw: bytes) -> Tally | None:
    try:
        return Tally(*orjson.loads(raw))
    except (ValueError, TypeError):
        return None
