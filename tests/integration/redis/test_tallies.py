"""Counts kept for a while: what was put is found, and one caller at a time counts."""

import pytest

from shared.domain.tally import Tally
from shared.ids import uuid7
from shared.redis import keys
from shared.redis.client import RedisUnavailable, connect
from shared.redis.tallies import COUNTING_MS, LIFE, Tallies

ONE, OTHER = uuid7(1, bytes(10)), uuid7(2, bytes(10))
TALLY = Tally({"pending": 5, "delivered": 7}, 1_790_000_000_000, 1_790_000_000_123, 28, "sent 1 - -")


def test_what_was_put_is_found_until_its_end(client):
    tallies = Tallies(client)
    assert tallies.get([]) == {}
    tallies.put({ONE: TALLY})

    assert tallies.get([OTHER, ONE]) == {ONE: TALLY}
    assert 0 < client.ttl(keys.tally(ONE)) <= LIFE


def test_one_at_a_time_counts_until_it_is_done_or_gone(client):
    first, second = Tallies(client), Tallies(client)

    assert first.begin(ONE)
    assert not second.begin(ONE)
    assert second.begin(OTHER)
    assert 0 < client.pttl(keys.counting(ONE)) <= COUNTING_MS
    first.put({ONE: TALLY})
    assert second.begin(ONE)


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"[1]", b'{"a":1}'])
def test_what_another_version_wrote_is_no_count(client, raw):
    client.set(keys.tally(ONE), raw)

    assert Tallies(client).get([ONE]) == {}


def test_redis_away_is_said():
    tallies = Tallies(connect("redis://127.0.0.1:1/0", timeout=0.2))

    for ask in (lambda: tallies.get([ONE]), lambda: tallies.begin(ONE), lambda: tallies.put({ONE: TALLY})):
        with pytest.raises(RedisUnavailable):
            ask()
