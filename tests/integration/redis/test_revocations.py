"""What is revoked is known to whoever asks, and told to every node that lives."""

import time

import pytest

from shared.protocol import envelope
from shared.protocol.revoke import Revoke
from shared.redis import keys
from shared.redis.client import RedisUnavailable, connect
from shared.redis.leases import Leases
from shared.redis.revocations import Decision, Revocations, Standing

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

    revocations.decide("main", [Decision("ana", NOW, False, NOW)])

    assert nodes() == both(Revoke("main", "ana", None, NOW))
    standing = revocations.standing("main", "ana", None)
    assert [standing.allows(at) for at in (NOW - 1, NOW, NOW + 1, None)] == [False, True, True, False]
    assert revocations.standing("main", "bob", None).allows(None)
    assert LIFE_S - 5 < client.ttl(keys.revoked_user("main", "ana")) <= LIFE_S


def test_a_disabled_user_has_no_good_token_until_enabled_and_no_older_one_after(client, nodes):
    revocations = Revocations(client, life=LIFE_S)

    revocations.decide("main", [Decision("ana", NOW, True, NOW)])

    assert nodes() == both(Revoke("main", "ana", None, None))
    assert not revocations.standing("main", "ana", None).allows(NOW + 1)
    revocations.decide("main", [Decision("ana", NOW + 1, False, None)])
    standing = revocations.standing("main", "ana", None)
    assert [standing.allows(at) for at in (NOW - 1, NOW + 1)] == [False, True]


def test_a_decision_that_comes_late_does_not_undo_a_later_one(client, nodes):
    revocations = Revocations(client, life=LIFE_S)
    off, on = Decision("ana", NOW, True, NOW), Decision("ana", NOW + 5, False, None)

    revocations.decide("main", [on])
    assert revocations.decide("main", [off]) == 2

    # Tokens from before it are dead all the same, and only their connections end.
    assert nodes() == both(Revoke("main", "ana", None, NOW))
    standing = revocations.standing("main", "ana", None)
    assert [standing.allows(at) for at in (NOW - 1, NOW)] == [False, True]

    revocations.decide("main", [Decision("ana", NOW + 9, True, NOW + 9), off, on])
    assert not revocations.standing("main", "ana", None).allows(NOW + 10)
    assert revocations.standing("main", "ana", None).before == NOW + 9


def test_every_run_of_redis_is_asked_for_once_what_stands_against_users(client):
    revocations = Revocations(client, life=LIFE_S)

    missing = revocations.unknown(["main", "other"])
    assert (sorted(missing), revocations.unknown([])) == (["main", "other"], {})
    revocations.known("main", missing["main"])
    assert list(revocations.unknown(["main", "other"])) == ["other"]
    revocations.known("main", "another run")
    assert list(revocations.unknown(["main"])) == ["main"]

    revocations.decide("main", [Decision(user, NOW, True, NOW) for user in ("bob", "ana")])
    assert revocations.disabled("main") == ["ana", "bob"]
    assert revocations.disabled("other") == []


def test_a_node_that_is_gone_or_deaf_is_told_nothing_and_counts_no_more(client):
    Leases(client).take("deaf", "here")
    client.sadd(keys.NODES, "gone")

    assert Revocations(client, life=LIFE_S).decide("main", [Decision("ana", NOW, False, NOW)]) == 0
    assert Leases(client).live() == {}
    assert client.smembers(keys.NODES) == {b"deaf"}


def test_redis_away_is_said():
    revocations = Revocations(connect("redis://127.0.0.1:1/0", timeout=0.2), life=LIFE_S)

    for ask in (
        lambda: revocations.standing("main", "ana", None),
        lambda: revocations.end_sessions("main", "ana", ["s"]),
        lambda: revocations.decide("main", [Decision("ana", NOW, True, NOW)]),
        lambda: revocations.unknown(["main"]),
        lambda: revocations.known("main", "a run"),
        lambda: revocations.disabled("main"),
    ):
        with pytest.raises(RedisUnavailable):
            ask()
