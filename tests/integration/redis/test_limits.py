"""The rule in Lua decides as its twin in Python, and several processes together get what it allows and no more."""

import multiprocessing
from collections.abc import Sequence

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.gcra import Policy, charge, take_all
from shared.redis.client import RedisUnavailable, connect
from shared.redis.limits import Bucket, Charge, Limits
from tests.fixtures.redis_server import RedisServer

NOW = 1_790_000_000_000_000
FRESH = multiprocessing.get_context("forkserver")

policies = st.builds(
    Policy, st.integers(1, 10**6), st.sampled_from([1, 999, 1000, 60_000, 3_600_000, 31 * 86_400_000])
)
# Mostly little, so that buckets are found half full, and now and then more than fits.
costs = st.one_of(st.integers(1, 5), st.integers(1, 10**6))
steps = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "take", "charge"]),
        st.integers(0, 3 * 10**6),
        costs,
        st.sets(st.integers(0, 2), min_size=1),
    ),
    min_size=1,
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.lists(policies, min_size=3, max_size=3), steps)
def test_lua_decides_as_python(
    client: redis.Redis, rules: Sequence[Policy], steps: Sequence[tuple[str, int, int, set[int]]]
) -> None:
    limits = Limits(client)
    buckets = [Bucket(f"b{number}", policy, "s") for number, policy in enumerate(rules)]
    tats, now = [0, 0, 0], NOW
    for what, step, cost, chosen in steps:
        now += step
        mine = sorted(chosen)
        # The time of this test is not that by which keys go.
        client.mset({bucket.key: tat for bucket, tat in zip(buckets, tats, strict=True)})
        if what == "charge":
            limits.charge([Charge(buckets[i], cost) for i in mine], at_us=now)
            for i in mine:
                tats[i] = charge(rules[i], tats[i], now, cost)
                kept = client.get(buckets[i].key)
                assert int(kept) == tats[i] if kept else tats[i] - now < 10**6
            continue
        found = limits.take([buckets[i] for i in mine], cost=cost, at_us=now)
        expected = take_all([(rules[i], tats[i]) for i in mine], now, cost)
        assert [standing.taken for standing in found] == expected
        if all(taken.allowed for taken in expected):
            for i, taken in zip(mine, expected, strict=True):
                tats[i] = taken.tat


def test_by_the_clock_of_redis_and_gone_when_it_says_nothing_any_more(client: redis.Redis) -> None:
    limits, bucket = Limits(client), Bucket("key", Policy(2, 60_000), "abc")

    found = [limits.take([bucket])[0].taken for _ in range(3)]

    assert [one.allowed for one in found] == [True, True, False]
    assert [one.remaining for one in found] == [1, 0, 0]
    [key] = client.keys("limit:*")
    assert 0 < client.pttl(key) <= 60_000
    seconds, micros = client.time()
    assert abs(found[1].tat - (seconds * 10**6 + micros) - 60 * 10**6) < 10 * 10**6


def test_a_changed_policy_begins_anew(client: redis.Redis) -> None:
    limits = Limits(client)
    assert limits.take([Bucket("key", Policy(1, 86_400_000), "abc")])[0].taken.allowed
    assert limits.take([Bucket("key", Policy(1, 1000), "abc")])[0].taken.allowed
    assert limits.take([Bucket("key", Policy(1, 1000), "def")])[0].taken.allowed
    assert not limits.take([Bucket("key", Policy(1, 86_400_000), "abc")])[0].taken.allowed


def test_redis_away_is_an_error_of_its_own() -> None:
    with pytest.raises(RedisUnavailable):
        Limits(connect("redis://127.0.0.1:1/0")).take([Bucket("key", Policy(1, 1000), "abc")])


def hammer(url: str, policy: Policy, tries: int, begin, allowed) -> None:
    client = connect(url)
    limits, bucket = Limits(client), Bucket("key", policy, "abc")
    begin.wait(30)
    found = sum(limits.take([bucket])[0].taken.allowed for _ in range(tries))
    client.close()
    with allowed.get_lock():
        allowed.value += found


def test_four_processes_get_together_exactly_what_one_would(
    client: redis.Redis, redis_server: RedisServer
) -> None:
    # An hour for one more: nothing comes back while they run.
    begin, allowed = FRESH.Barrier(4), FRESH.Value("i", 0)
    args = (redis_server.url, Policy(700, 700 * 3_600_000), 400, begin, allowed)
    processes = [FRESH.Process(target=hammer, args=args) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(50)

    assert [process.exitcode for process in processes] == [0] * 4
    assert allowed.value == 700
