"""Successors of refresh tokens, kept for a moment for repetitions. Only sealed ones come here."""

from typing import Final

import redis

from shared.redis import keys
from shared.redis.client import guarded

LIFE_MS: Final = 12_000
"""Two seconds longer than a repetition counts: the clock of who judges is not this one."""


class Successors:
    """Adapter of refresh:{digest}."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def put(self, digest: str, sealed: bytes) -> None:
        """Keep what follows the token of this digest. Raises RedisUnavailable."""
        with guarded():
            self._client.set(keys.refresh(digest), sealed, px=LIFE_MS)

    def get(self, digest: str) -> bytes | None:
        """What follows it; None where that is forgotten. Raises RedisUnavailable."""
        with guarded():
            found = self._client.get(keys.refresh(digest))
        return found if isinstance(found, bytes) else None
