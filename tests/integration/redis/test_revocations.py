"""What is revoked is known to whoever asks, and told to every node that lives."""

import time

import pytest

from shared.protocol import envelope
from shared.protocol.revoke import Revoke
from shared.redis import keys
from shared.redis.client import RedisUnavailable, connect
from shared.redis.leases import Leases
from shared.redis.revocations import Revocations, Standing

LIFE_S = 40 * 86_400
NOW = 1_790_000_000_000


@pytest.fixture
def nodes(client):
    """Two nodes that listen: what each was told since."""
    hearing = client.pubsub(ignore_subscribe_messages=True)
    for node in ("n1", "n2"):
        Leases(client).take(node, "here")
        hearing.subscribe(keys.channel(node))
    for _ in range(2):
        hearing.get_message(timeout=5)

    def told(count=2):
        found, end = [], time.monotonic() + 5
        while len(found) < count and time.monotonic() < end:
            message = hearing.get_message(timeout=0.1)
            if message:
                found.append((message["channel"].decode(), envelope.decode(message["data"])))
        return sorted(found, key=str)

    yield told
    hearing.close()


def both(revoke):
    return [(keys.channel("n1"), revoke), (keys.channel("n2"), revoke)]


def test_ended_sessions_are_known_and_told_to_every_node(client, nodes):
    revocations = Revocations(client, life=LIFE_S)

    assert revocations.end_sessions("main", "Ana Ü", ["s1", "s2"]) == 2

    assert nodes() == both(Revoke("main", "Ana Ü", ("s1", "s2"), None))
    assert revocations.standing("main", "Ana Ü", "s2") == Standing(ended=True)
    assert revocations.standing("main", "Ana Ü", "s3") == Standing()
    assert revocations.standing("other", "Ana Ü", "s2") == Standing()
    assert LIFE_S - 5 < client.ttl(keys.revoked_session("main", "s1")) <= LIFE_S
    assert revocations.end_sessions("main", "ana", []) == 0


def test_a_user_s_older_tokens_are_dead_and_newer_ones_are_not(client, nodes):
    revocations = Revocations(client, life=LIFE_S)

    revocations.end_user("main", "ana", NOW)

    assert nodes() == both(Revoke("main", "ana", None, NOW))
    standing = revocations.standing("main", "ana", None)
    assert [standing.allows(at) for at in (NOW - 1, NOW, NOW + 1, None)] == [False, True, True, False]
    assert revocations.standing("main", "bob", None).allows(None)


def test_a_disabled_user_has_no_good_token_until_enabled_and_no_older_one_after(client, nodes):
    revocations = Revocations(client, life=LIFE_S)

    revocations.disable("main", "ana", NOW)

    assert nodes() == both(Revoke("main", "ana", None, None))
    assert not revocations.standing("main", "ana", None).allows(NOW + 1)
    revocations.enable("main", "ana")
    standing = revocations.standing("main", "ana", None)
    assert [standing.allows(at) for at in (NOW - 1, NOW + 1)] == [False, True]


def test_what_redis_lost_is_put_back(client):
    revocations = Revocations(client, life=LIFE_S)

    assert revocations.unknown(["main", "other"]) == ["main", "other"]
    assert revocations.unknown([]) == []
    assert revocations.put_disabled("main", ["ana", "bob"]) == 3
    assert revocations.put_disabled("main", ["ana"]) == 0
    assert revocations.put_disabled("main", []) == 0
    assert revocations.unknown(["main", "other"]) == ["other"]
    assert revocations.standing("main", "ana", None).disabled


def test_a_node_that_is_gone_or_deaf_is_told_nothing_and_counts_no_more(client):
    Leases(client).take("deaf", "here")
    client.sadd(keys.NODES, "gone")

    assert Revocations(client, life=LIFE_S).end_user("main", "ana", NOW) == 0
    assert Leases(client).live() == {}
    assert client.smembers(keys.NODES) == {b"deaf"}


def test_redis_away_is_said():
    revocations = Revocations(connect("redis://127.0.0.1:1/0", timeout=0.2), life=LIFE_S)

    for ask in (
        lambda: revocations.standing("main", "ana", None),
        lambda: revocations.end_sessions("main", "ana", ["s"]),
        lambda: revocations.end_user("main", "ana", NOW),
        lambda: revocations.disable("main", "ana", NOW),
        lambda: revocations.enable("main", "ana"),
        lambda: revocations.put_disabled("main", ["ana"]),
    ):
        with pytest.raises(RedisUnavailable):
            ask()
