"""Who is online as Redis has it: per user and not per connection, with a grace, whoever dies."""

import time

import pytest
import redis

from launcher.waiting import wait_for
from shared.protocol import envelope
from shared.protocol.presence import Presence as Told
from shared.redis.leases import Leases
from shared.redis.presence import Presence, Present
from shared.redis.revocations import Decision, Revocations
from shared.redis.streams import Since, Streams

GRACE = 0.2


class World:
    """Adapters of one app, and what a node that watches is told."""

    def __init__(self, client: redis.Redis, *, grace: float = GRACE, everybody: bool = False) -> None:
        self.client = client
        self.streams = Streams(client, grace=grace, everybody=everybody)
        self.presence = Presence(client, grace=grace, everybody=everybody)
        self._heard = client.pubsub(ignore_subscribe_messages=True)
        self._heard.subscribe("node:watcher")
        self._heard.get_message(timeout=2)
        self._others = client.pubsub()
        self._others.subscribe("node:n1", "node:n2")
        for node in ("watcher", "n1", "n2"):
            Leases(client).take(node, "x")

    def watch(self, *users: str) -> list[bool]:
        return self.presence.watch("watcher", [("main", user) for user in users])

    def connect(self, node: str, *users: str) -> None:
        self.streams.connect(node, [("main", user, Since()) for user in users])

    def disconnect(self, node: str, *users: str) -> None:
        self.streams.disconnect(node, [("main", user) for user in users])

    def die(self, node: str) -> None:
        """The lease of a node runs out."""
        self.client.delete(f"lease:{node}")

    def swept(self) -> int:
        """Sweep until something was told; how many left."""
        left: list[int] = []

        def sweep() -> bool:
            left.append(self.presence.sweep().left)
            return left[-1] > 0

        assert wait_for(sweep, seconds=3, interval=0.01)
        return left[-1]

    def told(self) -> list[tuple[str, bool]]:
        """What the watching node heard since the last question."""
        found: list[tuple[str, bool]] = []
        while (message := self._heard.get_message(timeout=0.05)) is not None:
            one = envelope.decode(message["data"])
            assert isinstance(one, Told)
            assert one.app == "main"
            assert abs(one.at - time.time() * 1000) < 60_000
            found.append((one.user, one.online))
        return found

    def online(self, user: str) -> bool:
        return self.presence.read("main", [user])[0].online


@pytest.fixture
def world(client):
    return World(client)


def test_the_first_connection_joins_and_the_last_leaves_after_the_grace(world):
    assert world.watch("ana") == [False]

    world.connect("n1", "ana")
    world.connect("n2", "ana")
    assert world.told() == [("ana", True)]
    world.disconnect("n1", "ana")
    world.presence.sweep()
    assert world.online("ana")
    world.disconnect("n2", "ana")
    assert world.online("ana"), "within the grace"
    assert world.swept() == 1

    assert world.told() == [("ana", False)]
    assert not world.online("ana")
    world.connect("n1", "ana")
    assert world.told() == [("ana", True)]


def test_a_reconnect_within_the_grace_tells_nobody(world):
    world.watch("ana", "ben")
    world.connect("n1", "ana", "ben")
    assert world.told() == [("ana", True), ("ben", True)]

    world.disconnect("n1", "ana", "ben")
    world.connect("n2", "ana")
    world.swept()

    assert world.told() == [("ben", False)]
    assert world.online("ana")


def test_users_of_a_dead_node_leave_after_the_grace_unless_they_are_elsewhere(world):
    world.watch("ana", "ben")
    world.connect("n1", "ana", "ben")
    world.connect("n2", "ben")
    world.told()

    world.die("n1")
    swept = world.presence.sweep()

    assert (swept.moved, swept.left) == (2, 0)
    assert world.online("ana"), "the grace begins when the death is noticed"
    world.swept()
    assert world.told() == [("ana", False)]
    assert world.presence.read("main", ["ben"])[0].nodes == (("n2", 1),)
    assert not world.client.exists("online:n1")
    assert world.client.smembers("present:nodes") == {b"n2", b"watcher"}


def test_a_dead_node_of_many_is_swept_in_parts(world):
    users = [f"u{n}" for n in range(30)]
    world.connect("n1", *users)
    world.die("n1")

    parts = [world.presence.sweep(limit=12) for _ in range(3)]

    assert [part.moved for part in parts] == [12, 12, 6]
    assert [part.more for part in parts[:2]] == [True, True]
    assert sum(map(world.online, users)) == 30


def test_a_death_that_was_not_swept_yet_ends_with_whoever_asks(world):
    world.connect("n1", "ana")
    world.die("n1")

    assert world.online("ana")
    assert wait_for(lambda: not world.online("ana"), seconds=3, interval=0.01)


def test_two_sweepers_tell_it_once(world):
    world.watch("ana")
    world.connect("n1", "ana")
    world.told()
    world.disconnect("n1", "ana")
    other = Presence(world.client, grace=GRACE)

    assert wait_for(lambda: world.presence.sweep().left + other.sweep().left == 1, seconds=3, interval=0.01)

    assert (world.presence.sweep().left, other.sweep().left) == (0, 0)
    assert world.told() == [("ana", False)]


def test_a_node_that_registers_everybody_again_tells_only_of_those_who_were_said_to_have_left(world):
    world.watch("ana")
    world.connect("n1", "ana")
    world.die("n1")
    world.presence.sweep()
    world.swept()
    assert world.told() == [("ana", True), ("ana", False)]

    Leases(world.client).take("n1", "x")
    world.streams.positions("n1", [("main", "ana")])

    assert world.told() == [("ana", True)]
    assert world.online("ana")


def test_an_emptied_redis_tells_no_false_joins(world):
    world.connect("n1", "ana")
    world.client.flushall()
    for node in ("n1", "watcher"):
        Leases(world.client).take(node, "x")
    assert world.watch("ana") == [False]

    world.streams.positions("n1", [("main", "ana")])

    assert world.told() == []
    assert world.online("ana")
    world.disconnect("n1", "ana")
    world.swept()
    assert world.told() == [("ana", False)]


def test_what_is_known_of_a_user_counts_connections_and_says_when_they_were_last_here(world):
    world.connect("n1", "ana")
    world.connect("n2", "ana")
    world.presence.count("n2", {("main", "ana"): 3})
    world.connect("n2", "ana")

    ana, nobody = world.presence.read("main", ["ana", "nobody"])

    assert ana == Present(True, None, (("n1", 1), ("n2", 3)))
    assert nobody == Present(False, None)
    before = time.time() * 1000
    world.disconnect("n1", "ana")
    world.disconnect("n2", "ana")
    after = time.time() * 1000
    world.swept()
    (gone,) = world.presence.read("main", ["ana"])
    assert not gone.online
    assert before - 2 <= gone.seen <= after + 2


def test_when_users_were_last_here_waits_until_it_is_committed(world):
    world.client.hset("present:seen", "main an a", 5)
    (taken,) = world.presence.take_seen(10)
    assert taken == (("main", "an a"), 5)

    world.client.hset("present:seen", "main an a", 6)
    world.presence.done_seen([taken])
    assert world.presence.take_seen(10) == [(("main", "an a"), 6)]
    world.presence.done_seen([(("main", "an a"), 6)])

    assert world.presence.take_seen(10) == []


def test_a_node_that_stopped_watching_or_died_is_told_nothing(world):
    world.watch("ana", "ben")
    world.presence.unwatch("watcher", [("main", "ana")])
    world.connect("n1", "ana", "ben")
    assert world.told() == [("ben", True)]

    world.die("watcher")
    world.disconnect("n1", "ben")
    world.swept()

    assert world.told() == []
    assert not world.client.exists("watch:main:ben")


def test_a_watch_ends_by_itself(world):
    world.watch("ana")

    assert 60 < world.client.ttl("watch:main:ana") <= 120


def test_names_of_any_kind_are_told_as_they_are(world):
    names = ['an "a"', "b/n\\", "ü 1:2", "c d"]
    world.watch(*names)

    world.connect("n1", *names)
    world.disconnect("n1", *names)
    world.swept()

    assert world.told() == [(name, True) for name in names] + [(name, False) for name in sorted(names)]


def test_everybody_is_told_where_that_is_set(client):
    world = World(client, everybody=True)

    world.connect("n1", "ana")

    assert world.told() == [("ana", True)]


def test_who_is_not_let_in_was_never_there(client: redis.Redis) -> None:
    """Disabled, or with a session that has ended: nobody hears of it, and who is here with another one stays."""
    revocations = Revocations(client, life=60)
    revocations.decide("main", [Decision("ana", 1, True, None)])
    revocations.end_sessions("main", "bob", ["old"])
    world = World(client)
    world.watch("ana", "bob")

    def come(user: str, session: str) -> bool:
        (found,) = world.streams.connect("n1", [("main", user, Since())], sessions=[session])
        return found.standing.allows(2)

    assert [come("ana", "any"), come("bob", "old")] == [False, False]
    assert world.told() == []
    assert client.hgetall("online:n1") == {}
    assert come("bob", "new")
    assert not come("bob", "old")
    assert world.told() == [("bob", True)]
    assert client.hget("stream:main:bob", "nodes") == b"n1"
