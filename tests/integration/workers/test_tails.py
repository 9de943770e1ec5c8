"""The tails that a publish keeps: their bookkeeping holds whatever is published again, late or in other bytes."""

import random

import pytest

from shared.protocol.envelope import AppFrames, Body, Counts, Item, Record
from shared.redis.client import connect
from shared.redis.publish import Publisher, TailBounds
from shared.redis.streams import Since, Streams, decode_member

BOUNDS = TailBounds(frames=20, bytes=2000)


@pytest.fixture
def client(redis_url):
    found = connect(redis_url)
    Streams(found).connect("n1", [("main", "ana", Since())])
    yield found
    found.close()


def publish(client, seqs, *, rev, epoch="e1", text="x"):
    bodies = [Body(f"id-{seq}", "r", f'"id":"{seq}","data":"{text * (seq % 7)}"}}', 10**13) for seq in seqs]
    items = [Item("ana", seq, seq - 1, index) for index, seq in enumerate(seqs)]
    record = Record("ana", max(seqs), rev, 0, 0, Counts())
    Publisher(client, BOUNDS).publish(AppFrames("main", epoch, bodies, items, {"ana": record}))


def tail(client):
    return client.zrange("tail:me:main:ana", 0, -1)


def test_the_size_of_a_tail_is_the_sum_of_its_members_after_any_history(client):
    dice = random.Random(7)
    for step in range(1, 300):
        first = max(1, step - dice.choice([0, 0, 0, 1, 5, 30]))
        publish(
            client, list(range(first, step + 1)), rev=step, text=dice.choice("xy") * dice.choice([1, 1, 9])
        )

        members = tail(client)
        assert int(client.hget("stream:main:ana", "bytes")) == sum(map(len, members)) <= BOUNDS.bytes
        seqs = [decode_member(member).seq for member in members]
        assert len(seqs) == len(set(seqs)) <= BOUNDS.frames


def test_a_frame_in_other_bytes_replaces_the_one_of_its_number(client):
    publish(client, [1, 2], rev=1, text="old")

    publish(client, [1], rev=1, text="new")

    assert [b"new" in member for member in tail(client)] == [True, False]
    assert client.hget("stream:main:ana", "top") == b"2"


def test_a_tail_that_ended_before_its_record_starts_again_from_nothing(client):
    publish(client, [1, 2, 3], rev=1)
    client.delete("tail:me:main:ana")

    publish(client, [4], rev=2)

    [member] = tail(client)
    assert int(client.hget("stream:main:ana", "bytes")) == len(member)
