"""Publishing: one message a node, tails of warm users only, the same again changes nothing."""

import redis

from shared.protocol import envelope
from shared.protocol.envelope import AppFrames, Body, Broadcast, Counts, Item, Record
from shared.redis.leases import Leases
from shared.redis.publish import Publisher, TailBounds
from shared.redis.streams import Since, Streams


def body(n: int, size: int = 0) -> Body:
    return Body(f"i{n}", f"r{n}", f'"id":"i{n}","data":"{"x" * size}"}}', 99_000 + n)


def frames(items: list[Item], bodies: list[Body], *, epoch: str = "e0", rev: int = 1) -> AppFrames:
    records = {i.user: Record(i.user, i.seq, rev, 0, 0, Counts(i.seq, i.seq, i.seq, 0)) for i in items}
    return AppFrames("main", epoch, bodies, items, records)


class Listener:
    """A node as Redis sees one: a lease and a subscription."""

    def __init__(self, client: redis.Redis, node: str, users: list[str]) -> None:
        self.node = node
        self._pubsub = client.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(f"node:{node}")
        self._pubsub.get_message(timeout=2)
        Leases(client).take(node, "127.0.0.1")
        if users:
            Streams(client).connect(node, [("main", user, Since()) for user in users])

    def next(self) -> bytes | None:
        message = self._pubsub.get_message(timeout=0.5)
        return message["data"] if message else None

    def close(self) -> None:
        self._pubsub.close()


def test_one_message_per_node_with_only_the_bodies_it_needs(client):
    one, two = Listener(client, "n1", ["ana", "bob"]), Listener(client, "n2", ["cy"])
    made = frames(
        [Item("ana", 1, 0, 0), Item("bob", 1, 0, 0), Item("cy", 1, 0, 1), Item("away", 1, 0, 1)],
        [body(1), body(2)],
    )

    published = Publisher(client, TailBounds()).publish(made)

    assert (published.warm, published.messages, published.deaf) == (3, 2, ())
    assert one.next() == envelope.encode_frames("main", "e0", [body(1)], list(made.items[:2]))
    assert two.next() == envelope.encode_frames("main", "e0", [body(2)], [Item("cy", 1, 0, 0)])
    assert one.next() is None
    one.close(), two.close()


def test_a_user_on_two_nodes_is_in_both_messages(client):
    one, two = Listener(client, "n1", ["ana"]), Listener(client, "n2", ["ana"])

    Publisher(client, TailBounds()).publish(frames([Item("ana", 1, 0, 0)], [body(1)]))

    assert one.next() == two.next() is not None
    one.close(), two.close()


def test_a_cold_user_costs_no_key(client):
    Publisher(client, TailBounds()).publish(frames([Item("away", 1, 0, 0)], [body(1)]))

    assert client.keys("*away*") == []


def test_a_user_seen_lately_keeps_a_tail_without_a_node(client):
    streams = Streams(client)
    streams.connect("n1", [("main", "ana", Since())])
    streams.disconnect("n1", [("main", "ana")])

    Publisher(client, TailBounds()).publish(frames([Item("ana", 1, 0, 0)], [body(1)]))

    (found,) = streams.connect("n1", [("main", "ana", Since("e0", 0, 0))])
    assert [f.seq for f in found.me_tail] == [1]
    assert found.me_top == 1


def test_publishing_again_leaves_tail_and_record_as_they_are(client):
    Streams(client).connect("n1", [("main", "ana", Since())])
    publisher = Publisher(client, TailBounds())
    made = frames([Item("ana", 1, 0, 0), Item("ana", 2, 1, 1)], [body(1), body(2)])
    publisher.publish(made)
    before = client.zrange("tail:me:main:ana", 0, -1), client.hgetall("stream:main:ana")

    publisher.publish(made)

    assert (client.zrange("tail:me:main:ana", 0, -1), client.hgetall("stream:main:ana")) == before


def test_an_older_transaction_that_publishes_later_does_not_turn_the_record_back(client):
    streams, publisher = Streams(client), Publisher(client, TailBounds())
    streams.connect("n1", [("main", "ana", Since())])

    publisher.publish(frames([Item("ana", 2, 1, 0)], [body(2)], rev=2))
    publisher.publish(frames([Item("ana", 1, 0, 0)], [body(1)], rev=1))

    found = streams.tails("main", "ana", me=0, all=0)
    assert found.me_top == 2
    assert [f.seq for f in found.me_tail] == [1, 2]


def test_a_tail_is_bounded_in_frames_and_in_bytes(client):
    streams = Streams(client)
    streams.connect("n1", [("main", "ana", Since())])
    by_count = Publisher(client, TailBounds(frames=3))
    for seq in range(1, 6):
        by_count.publish(frames([Item("ana", seq, seq - 1, 0)], [body(seq)], rev=seq))
    assert [f.seq for f in streams.tails("main", "ana", me=0, all=0).me_tail] == [3, 4, 5]

    by_bytes = Publisher(client, TailBounds(bytes=1_000))
    for seq in range(6, 12):
        by_bytes.publish(frames([Item("ana", seq, seq - 1, 0)], [body(seq, size=300)], rev=seq))
    kept = streams.tails("main", "ana", me=0, all=0).me_tail
    assert [f.seq for f in kept] == [10, 11] or [f.seq for f in kept] == [9, 10, 11]
    assert sum(len(raw) for raw in client.zrange("tail:me:main:ana", 0, -1)) <= 1_000


def test_another_epoch_starts_an_empty_tail(client):
    streams, publisher = Streams(client), Publisher(client, TailBounds())
    streams.connect("n1", [("main", "ana", Since())])
    publisher.publish(frames([Item("ana", 9, 8, 0)], [body(1)], rev=9))

    publisher.publish(frames([Item("ana", 3, 2, 0)], [body(2)], epoch="e1", rev=3))

    found = streams.tails("main", "ana", me=0, all=0)
    assert (found.epoch, found.me_top, [f.seq for f in found.me_tail]) == ("e1", 3, [3])


def test_a_node_that_does_not_listen_loses_its_lease_but_not_its_users(client):
    leases, streams = Leases(client), Streams(client)
    leases.take("n1", "127.0.0.1")
    streams.connect("n1", [("main", "ana", Since())])

    published = Publisher(client, TailBounds()).publish(frames([Item("ana", 1, 0, 0)], [body(1)]))

    assert published.deaf == ("n1",)
    assert leases.renew("n1") is False
    assert client.hget("stream:main:ana", "nodes") == b"n1"


def test_everyone_is_one_message_per_live_node_whatever_the_users(client):
    one, two = Listener(client, "n1", ["ana"]), Listener(client, "n2", [])
    client.sadd("nodes", "long-dead")
    broadcast = Broadcast(1, 0, body(1), ("x y",))

    published = Publisher(client, TailBounds()).publish(AppFrames("main", "e0", broadcasts=[broadcast]))

    assert published.messages == 2
    assert one.next() == two.next() == envelope.encode_all("main", "e0", broadcast)
    assert client.smembers("nodes") == {b"n1", b"n2"}
    (found,) = Streams(client).connect("n1", [("main", "bob", Since("e0", 0, 0))])
    assert [(f.seq, f.excluded) for f in found.all_tail] == [(1, ("x y",))]
    one.close(), two.close()
