"""Records, presence and acks in Redis: what a node may rely on."""

import pytest

from shared.protocol.envelope import AppFrames, Body, Broadcast, Counts, Item, Record
from shared.redis.acks import BATCH, Ack, Acks
from shared.redis.bus import Bus
from shared.redis.client import connect
from shared.redis.leases import Leases
from shared.redis.publish import Publisher, TailBounds
from shared.redis.streams import Since, Streams


def record(user: str, top: int, rev: int, **more: object) -> Record:
    return Record(user, top, rev, 0, 0, Counts(top, top, top, 0), **more)


def sync(streams: Streams, epoch: str, app_top: int, *records: Record) -> bool:
    """As the job does it: Redis is asked for its run before the database is read."""
    run = streams.tops("main", []).run
    return all(streams.put_many("main", epoch, app_top, records, run=run))


def test_a_user_never_seen_is_not_synced_until_a_worker_puts_the_record(client):
    streams = Streams(client)

    (before,) = streams.connect("n1", [("main", "ana", Since())])
    assert sync(streams, "e0", 0, record("ana", 4, 9))
    (after,) = streams.connect("n1", [("main", "ana", Since())])

    assert not before.synced
    assert (after.synced, after.epoch, after.me_top, after.rev) == (True, "e0", 4, 9)
    assert after.counts == Counts(4, 4, 4, 0)


def test_a_record_is_not_put_for_a_cold_user_nor_over_a_newer_one(client):
    streams = Streams(client)
    assert not streams.put("main", "e0", 0, record("cold", 1, 1))
    streams.connect("n1", [("main", "ana", Since())])

    assert streams.put("main", "e0", 0, record("ana", 4, 9))
    assert not streams.put("main", "e0", 0, record("ana", 3, 8))
    assert streams.tops("main", ["ana"]).users == [("e0", 4)]


def test_a_new_epoch_replaces_the_record_even_with_a_lower_rev(client):
    streams = Streams(client)
    streams.connect("n1", [("main", "ana", Since())])
    streams.put("main", "e0", 5, record("ana", 4, 9))

    assert streams.put("main", "e1", 2, record("ana", 2, 3))

    assert streams.tops("main", ["ana", "ben"]).users == [("e1", 2), (None, None)]
    assert streams.tops("main", []).all == ("e1", 2)


def test_counts_are_unknown_until_the_newest_notification_to_everyone_is_counted(client):
    streams = Streams(client)
    streams.connect("n1", [("main", "ana", Since())])
    sync(streams, "e0", 2, record("ana", 1, 1))
    (unknown,) = streams.connect("n1", [("main", "ana", Since())])

    streams.put("main", "e0", 2, record("ana", 1, 1, everyone=Counts(2, 2, 1, 0), everyone_at=2))
    (known,) = streams.connect("n1", [("main", "ana", Since())])

    assert unknown.counts is None
    assert known.counts == Counts(3, 3, 2, 0)


def test_a_user_stays_registered_on_one_node_when_another_leaves(client):
    streams, bus = Streams(client), Bus(client)
    for node in ("n1", "n2", "n1"):
        Leases(client).take(node, "x")
        streams.connect(node, [("main", "ana", Since())])

    streams.disconnect("n2", [("main", "ana")])

    assert client.hget("stream:main:ana", "nodes") == b"n1"
    assert bus.state("main", "nobody", {}) == 0


def test_positions_register_again_and_tell_the_tops(client):
    streams = Streams(client)
    streams.connect("n1", [("main", "ana", Since())])
    sync(streams, "e0", 0, record("ana", 4, 9))
    client.hset("stream:main:ana", "nodes", "")

    found = streams.positions("n1", [("main", "ana"), ("main", "new")])

    assert found == [("e0", 4), (None, None)]
    assert client.hget("stream:main:ana", "nodes") == b"n1"
    assert client.hget("stream:main:new", "nodes") == b"n1"
    assert 0 < client.ttl("stream:main:new") <= 900


@pytest.mark.parametrize("of", ["stream:main:ana", "app:main"])
def test_what_an_earlier_run_of_redis_knew_is_asked_for_again(client, of):
    streams = Streams(client)
    streams.connect("n1", [("main", "ana", Since())])
    sync(streams, "e0", 0, record("ana", 4, 9))
    # As it stands after a start of Redis from its disk, which may lack the last second.
    client.hset(of, "run", "the one before")

    (found,) = streams.connect("n1", [("main", "ana", Since())])
    looked = streams.positions("n1", [("main", "ana")]), streams.app_top("main")

    assert not found.synced
    assert (None, None) in (looked[0][0], looked[1])


def test_another_reign_of_the_same_server_is_another_run(own_redis):
    """A failover away and back: the process is the same, and what the other server was told meanwhile is not here."""
    client = connect(own_redis.url)
    before = Streams(client).tops("main", []).run
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    client.execute_command("REPLICAOF", "NO", "ONE")
    reign = Streams(client).tops("main", []).run
    own_redis.kill()
    own_redis.start()
    assert len({before, reign, Streams(client).tops("main", []).run}) == 3
    client.close()


def test_a_job_that_read_the_database_before_redis_started_again_is_not_believed(client):
    streams = Streams(client)
    streams.connect("n1", [("main", "ana", Since())])

    streams.put_many("main", "e0", 0, [record("ana", 4, 9)], run="the one before")

    assert not streams.connect("n1", [("main", "ana", Since())])[0].synced
    assert streams.positions("n1", [("main", "ana")]) == [(None, None)]


def test_frames_of_another_epoch_are_no_reason_to_believe_it(client):
    streams = Streams(client)
    Leases(client).take("n1", "x")
    streams.connect("n1", [("main", "ana", Since())])
    sync(streams, "e1", 2, record("ana", 4, 9))
    body = Body("id", "r", '"id":"x"', 9_999_999_999_999)

    late = AppFrames(
        "main", "e0", [body], [Item("ana", 3, 2, 0)], {"ana": record("ana", 3, 8)}, [Broadcast(2, 1, body)]
    )
    Publisher(client, TailBounds()).publish(late)

    assert not streams.connect("n1", [("main", "ana", Since())])[0].synced
    assert streams.app_top("main") == (None, None)


def test_acks_only_move_forward_and_the_record_learns_at_once(client):
    streams, acks = Streams(client), Acks(client)
    streams.connect("n1", [("main", "ana", Since())])
    streams.put("main", "e0", 0, record("ana", 4, 9))

    assert acks.merge("main", {"ana": 3}, {}) == 1
    assert acks.merge("main", {"ana": 2}, {}) == 0

    assert acks.take(10) == [Ack("main", "ana", 3, 0)]
    (found,) = streams.connect("n1", [("main", "ana", Since())])
    assert found.acked == 3


def test_a_crowd_of_acks_is_merged_in_one_call_whatever_its_users_are_called(client):
    acks = Acks(client)
    names = ['quo"te', "back\\slash", "ünï", "a b", "42", *(f"u{number}" for number in range(BATCH - 5))]
    others = [f"v{number}" for number in range(BATCH)]

    assert acks.merge("main", dict.fromkeys(names, (1 << 53) - 1), dict.fromkeys(others, 7)) == 2 * BATCH
    assert acks.merge("main", {"a b": 3}, {"a b": 2}) == 1
    assert acks.merge("main", {}, {}) == 0

    found = {ack.user: (ack.me, ack.all) for ack in acks.take(2 * BATCH)}
    expected = dict.fromkeys(names, ((1 << 53) - 1, 0)) | dict.fromkeys(others, (0, 7))
    assert found == expected | {"a b": ((1 << 53) - 1, 2)}


def test_an_ack_that_moved_on_while_it_was_committed_is_kept(client):
    acks = Acks(client)
    acks.merge("main", {"user with spaces": 3, "bob": 1}, {"user with spaces": 1})
    taken = acks.take(10)
    acks.merge("main", {"bob": 2}, {})

    assert acks.done(taken) == 1

    assert acks.take(10) == [Ack("main", "bob", 2, 0)]


def test_a_put_from_the_database_does_not_turn_back_an_ack_it_has_not_seen(client):
    streams, acks = Streams(client), Acks(client)
    streams.connect("n1", [("main", "ana", Since())])
    streams.put("main", "e0", 0, record("ana", 4, 9))
    acks.merge("main", {"ana": 4}, {})

    streams.put("main", "e0", 0, record("ana", 5, 10))

    (found,) = streams.connect("n1", [("main", "ana", Since())])
    assert (found.me_top, found.acked) == (5, 4)


def test_one_nudge_per_window(client):
    acks = Acks(client)

    assert acks.nudge(every_ms=60_000)
    assert not acks.nudge(every_ms=60_000)


def test_a_lease_that_was_taken_away_cannot_be_renewed(client):
    leases = Leases(client)
    leases.take("n1", "127.0.0.1:8001")
    assert leases.live() == {"n1": "127.0.0.1:8001"}

    client.delete("lease:n1")

    assert not leases.renew("n1")
    assert leases.live() == {}
    leases.drop("n1")
    assert client.smembers("nodes") == set()


def test_a_message_to_a_node_nobody_listens_on_ends_its_lease(client):
    leases, bus = Leases(client), Bus(client)
    leases.take("n1", "x")

    assert not bus.to_node("n1", b"1 probe 1")

    assert leases.live() == {}
