"""Taking back in Redis: places become positions, records move on, nodes hear once; again it changes nothing."""

from shared.protocol import envelope
from shared.protocol.envelope import AppFrames, Body, Broadcast, Counts, Item, Record
from shared.protocol.retracts import Gone
from shared.redis.leases import Leases
from shared.redis.publish import Publisher, TailBounds
from shared.redis.retract import Retractor
from shared.redis.streams import Since, Streams

ID = "0199b7c0-0000-7000-8000-000000000001"


class Node:
    """A node as Redis sees one: a lease, users and a subscription."""

    def __init__(self, client, node: str, *users: str) -> None:
        self._pubsub = client.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(f"node:{node}")
        self._pubsub.get_message(timeout=2)
        Leases(client).take(node, "127.0.0.1")
        Streams(client).connect(node, [("main", user, Since()) for user in users])

    def heard(self) -> list[envelope.Envelope]:
        found = []
        while message := self._pubsub.get_message(timeout=0.3):
            found.append(envelope.decode(message["data"]))
        return found


def publish(client, *users: str, count: int = 1, epoch: str = "e0") -> None:
    """The frames 1 to `count` of each user."""
    bodies = [Body(f"i{n}", f"r{n}", f'"id":"i{n}"}}', 99_000) for n in range(1, count + 1)]
    items = [Item(user, n, n - 1, n - 1) for user in users for n in range(1, count + 1)]
    records = {user: record(user, top=count, rev=count) for user in users}
    Publisher(client, TailBounds()).publish(AppFrames("main", epoch, bodies, items, records))


def record(user: str, *, top: int, rev: int, total: int | None = None) -> Record:
    total = top if total is None else total
    return Record(user, top, rev, 0, 0, Counts(total, total, total, 0))


def gone(user: str, seq: int, *, top: int, rev: int) -> Gone:
    return Gone(seq, record(user, top=top, rev=rev, total=top - 1), Counts(top + 9, 1, 2, 3))


def tail(client, user: str) -> list[tuple[int, int, bool, int]]:
    """(seq, prev, whether there is something, its end) of a user's tail."""
    found = Streams(client).tails("main", user, me=0, all=0).me_tail
    return [(frame.seq, frame.prev, bool(frame.fragment), frame.expires_at) for frame in found]


def test_the_place_in_the_tail_becomes_a_position_and_the_record_moves_on(client):
    Node(client, "n1", "ana", "bob")
    publish(client, "ana", "bob", count=3)
    size = int(client.hget("stream:main:ana", "bytes"))

    Retractor(client).retract("main", "e0", ID, [gone("ana", 2, top=3, rev=4)])

    assert tail(client, "ana") == [(1, 0, True, 99_000), (2, 1, False, 0), (3, 2, True, 99_000)]
    assert [seq for seq, _, there, _ in tail(client, "bob") if there] == [1, 2, 3]
    rev, total, top = client.hmget("stream:main:ana", "rev", "total", "top")
    assert (rev, total, top) == (b"4", b"2", b"3")
    assert int(client.hget("stream:main:ana", "bytes")) == sum(
        map(len, client.zrange("tail:me:main:ana", 0, -1))
    )
    assert int(client.hget("stream:main:ana", "bytes")) < size


def test_each_node_hears_once_with_the_numbers_of_its_users(client):
    one, two = Node(client, "n1", "ana", "bob maria"), Node(client, "n2", "ana")
    publish(client, "ana", "bob maria")
    one.heard(), two.heard()

    Retractor(client).retract(
        "main",
        "e0",
        ID,
        [gone("ana", 1, top=1, rev=2), gone("bob maria", 1, top=1, rev=7), gone("away", 1, top=1, rev=2)],
    )

    numbers = (10, 1, 2, 3)
    assert one.heard() == [
        envelope.Retract("main", [ID], "cancelled", [("ana", 2, numbers), ("bob maria", 7, numbers)])
    ]
    assert two.heard() == [envelope.Retract("main", [ID], "cancelled", [("ana", 2, numbers)])]
    assert client.keys("*away*") == []


def test_again_it_changes_nothing_and_an_older_record_never_wins(client):
    Node(client, "n1", "ana")
    publish(client, "ana", count=2)
    retractor = Retractor(client)
    retractor.retract("main", "e0", ID, [gone("ana", 1, top=2, rev=5)])
    before, places = client.hgetall("stream:main:ana"), tail(client, "ana")

    retractor.retract("main", "e0", ID, [gone("ana", 1, top=2, rev=5)])
    retractor.retract("main", "e0", ID, [gone("ana", 1, top=1, rev=3)])

    assert client.hgetall("stream:main:ana") == before
    assert tail(client, "ana") == places


def test_a_frame_that_is_published_after_it_is_taken_back_by_the_next_one(client):
    node = Node(client, "n1", "ana")
    publish(client, "ana")
    Retractor(client).retract("main", "e0", ID, [gone("ana", 1, top=1, rev=2)])
    publish(client, "ana")
    assert tail(client, "ana") == [(1, 0, True, 99_000)]
    node.heard()

    Retractor(client).retract("main", "e0", ID, [gone("ana", 1, top=1, rev=2)])

    assert tail(client, "ana") == [(1, 0, False, 0)]
    assert len(node.heard()) == 1


def test_what_is_not_published_yet_gets_its_place_at_the_end_of_a_tail(client):
    Node(client, "n1", "ana")
    publish(client, "ana")

    Retractor(client).retract("main", "e0", ID, [gone("ana", 2, top=2, rev=2)])

    assert tail(client, "ana") == [(1, 0, True, 99_000), (2, 1, False, 0)]
    assert client.hget("stream:main:ana", "top") == b"2"


def test_a_tail_that_begins_later_or_is_of_another_epoch_is_left_alone(client):
    Node(client, "n1", "ana")
    publish(client, "ana", count=3)
    client.zremrangebyrank("tail:me:main:ana", 0, 0)
    before = tail(client, "ana"), client.hgetall("stream:main:ana")

    Retractor(client).blank("main", "e0", [("ana", 1)])
    Retractor(client).retract("main", "other", ID, [gone("ana", 2, top=3, rev=9)])

    assert (tail(client, "ana"), client.hgetall("stream:main:ana")) == before


def test_blank_makes_positions_and_tells_nobody(client):
    node = Node(client, "n1", "ana", "bob")
    publish(client, "ana", "bob", count=2)
    rev = client.hget("stream:main:ana", "rev")
    node.heard()

    Retractor(client).blank("main", "e0", [("ana", 1), ("bob", 2)])

    assert [there for _, _, there, _ in tail(client, "ana")] == [False, True]
    assert [there for _, _, there, _ in tail(client, "bob")] == [True, False]
    assert client.hget("stream:main:ana", "rev") == rev
    assert node.heard() == []


def test_a_node_that_does_not_listen_is_named_and_loses_its_lease(client):
    Leases(client).take("n1", "127.0.0.1")
    Streams(client).connect("n1", [("main", "ana", Since())])
    publish(client, "ana")
    Leases(client).take("n1", "127.0.0.1")

    assert Retractor(client).retract("main", "e0", ID, [gone("ana", 1, top=1, rev=2)]) == ("n1",)
    assert not client.exists("lease:n1")


def test_of_everyone_the_place_is_empty_and_the_stream_has_a_new_end(client):
    node = Node(client, "n1", "ana")
    for seq in (1, 2):
        body = Body(f"i{seq}", "r", f'"id":"i{seq}"}}', 99_000)
        Publisher(client, TailBounds()).publish(
            AppFrames("main", "e0", broadcasts=[Broadcast(seq, seq - 1, body, ("x",))])
        )
    node.heard()

    for _ in range(2):
        assert Retractor(client).retract_all("main", "e0", ID, seq=1, place=3) == ()

    found = Streams(client).tails("main", "ana", me=0, all=0).all_tail
    assert [(f.seq, f.prev, bool(f.fragment)) for f in found] == [(1, 0, False), (2, 1, True), (3, 2, False)]
    assert client.hget("app:main", "top") == b"3"
    told, position = node.heard()[:2]
    assert told == envelope.Retract("main", [ID], "cancelled", None)
    assert isinstance(position, envelope.All)
    assert (position.frame.seq, position.frame.prev, position.frame.fragment) == (3, 2, b"")


def test_counts_from_before_a_retraction_to_everyone_are_not_believed(client):
    streams = Streams(client)
    Node(client, "n1", "ana")
    run = streams.tops("main", ["ana"]).run
    known = Record("ana", 0, 1, 0, 0, Counts(), Counts(1, 1, 1, 0), everyone_at=1)
    streams.put_many("main", "e0", 1, [known], run=run)
    assert streams.connect("n1", [("main", "ana", Since())])[0].counts == Counts(1, 1, 1, 0)

    Retractor(client).retract_all("main", "e0", ID, seq=1, place=2)

    assert streams.connect("n1", [("main", "ana", Since())])[0].counts is None
