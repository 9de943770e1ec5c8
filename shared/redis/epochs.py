"""What Redis holds of an epoch that has ended: records, tails and acks of every app; made anew from the database.

The journal stays: what was accepted is stored in whatever database there is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import redis

from shared.redis import keys
from shared.redis.client import guarded
from shared.redis.streams import RECORD

_SCAN = 1000


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many records of users and how many tails there were."""

    records: int
    tails: int


def drop_streams(client: redis.Redis) -> Dropped:
    """Drop them all; presence stays. Running it again is harmless. Raises RedisUnavailable."""
    with guarded():
        # Acks first: they name places of the old epoch, and would be taken for places of the new one.
        client.delete(keys.ACKS)
        # Apps before users: from here on nobody who connects is told the old epoch.
        for names in _batches(client, keys.ANY_APP):
            client.unlink(*names)
        tails = records = 0
        for names in _batches(client, keys.ANY_TAIL):
            tails += int(client.unlink(*names))
        for names in _batches(client, keys.ANY_STREAM):
            pipeline = client.pipeline(transaction=False)
            for name in names:
                pipeline.hdel(name, *RECORD)
            records += sum(bool(fields) for fields in pipeline.execute())
    return Dropped(records, tails)


def _batches(client: redis.Redis, pattern: str) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for name in client.scan_iter(match=pattern, count=_SCAN):
        batch.append(name)
        if len(batch) == _SCAN:
            yield batch
            batch = []
    if batch:
        yield batch
