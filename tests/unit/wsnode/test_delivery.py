"""From envelopes to sockets: the hot path, and who does not take it."""

from typing import Any

import pytest

from shared.clock import SystemClock
from shared.protocol import envelope
from shared.protocol.envelope import Body, Broadcast, Item, Probe, TailFrame
from shared.protocol.frames import fragment, replacing
from shared.protocol.presence import Presence
from shared.redis.streams import Since
from wsnode import broadcasts, unicasts
from wsnode.delivery import Delivery
from wsnode.dialects import native
from wsnode.hub import Hub
from wsnode.ledger import sent_ms
from wsnode.session import Session

LATER = 99_000_000_000_000
BODIES = [Body(f"i{n}", f"r{n}", f'"id":"i{n}"}}', LATER) for n in range(3)]


class Peer:
    """A connection that remembers its sends; `kernel` bytes are taken, then it would block."""

    def __init__(self, number: int, user: str, *, me: int = 0, everyone: int = 0) -> None:
        self.number, self.user, self.app = number, user, "main"
        self.name = f"n1.{number:x}"
        self.session = Session(user, Since(), hold_bytes=1000)
        self.session.repair = None
        self.session.me, self.session.all = me, everyone
        self.batch: list[bytes] | None = None
        self.outbox: Any = None
        self.dialect: Any = native
        self.scopes: frozenset[str] = frozenset()
        self.sends: list[bytes] = []
        self.slow: list[tuple[str, TailFrame]] = []
        self.calls: list[Any] = []
        self.kernel = 1 << 30

    def send(self, data: bytes) -> int:
        if not self.kernel:
            raise BlockingIOError
        taken = min(self.kernel, len(data))
        self.kernel -= taken
        self.sends.append(data[:taken])
        return taken

    def write_rest(self, data: bytes, sent: int) -> None:
        self.calls.append(("rest", data[sent:]))

    def write(self, data: bytes, *, free: bool = False) -> None:
        self.sends.append(data)

    tell = write

    def lost(self, reason: str) -> None:
        self.calls.append(("lost", reason))

    def frame(self, stream: str, frame: TailFrame) -> None:
        self.slow.append((stream, frame))

    def retract(self, what: Any, frame: bytes) -> None:
        self.sends.append(frame)

    def reply(self, ref: Any, doc: Any, *, of: Any = None) -> None:
        self.calls.append(("reply", ref))


class Node:
    """A hub with some peers, and a delivery in front of it."""

    def __init__(self, *peers: Peer) -> None:
        self.hub: Hub[Any] = Hub("n1")
        for peer in peers:
            self.hub.add("main", peer).epoch = "e"
        self.told: list[Any] = []
        self.taken: list[tuple[str, int | None, int | None]] = []
        self.delivery = Delivery(
            self.hub,
            SystemClock(),
            foreign=lambda room: self.told.append(("foreign", room.app)),
            synced=lambda app, user: self.told.append(("synced", app, user)),
            others={
                Presence: lambda found: self.told.append(("presence", found)),
                Probe: lambda found: self.told.append(("probe", found.number)),
            },
            took=lambda peers: self.taken.extend(
                (peer.user, peer.session.me, peer.session.all) for peer in peers
            ),
        )

    def deliver(self, *batch: bytes) -> None:
        self.delivery.deliver(batch)


def frames(*items: Item, epoch: str = "e") -> bytes:
    return envelope.encode_frames("main", epoch, BODIES, items)


def everyone(seq: int, *, excluded: tuple[str, ...] = (), expires: int = LATER) -> bytes:
    body = Body("b", f"rb{seq}", '"id":"b"}', expires)
    return envelope.encode_all("main", "e", Broadcast(seq, seq - 1, body, excluded))


def me(seq: int, body: int = 0) -> bytes:
    return native.notification("me", seq, seq - 1, BODIES[body].fragment.encode())


def test_what_one_read_brought_for_one_client_leaves_with_one_send():
    ana, bob = Peer(1, "ana"), Peer(2, "bob")
    Node(ana, bob).deliver(
        frames(Item("ana", 1, 0, 0), Item("ana", 2, 1, 1), Item("bob", 1, 0, 2)), frames(Item("ana", 3, 2, 0))
    )
    assert ana.sends == [me(1) + me(2, 1) + me(3)]
    assert bob.sends == [me(1, 2)]
    assert (ana.session.me, bob.session.me) == (3, 1)


def test_both_decoders_mean_the_same():
    items = [Item("ana", 1, 0, 2), Item("nobody", 4, 3, 1), Item("b o b", 7, 5, 0), Item("ana", 2, 1, 0)]
    raw = frames(*items)
    ana, bob = Peer(1, "ana", me=99), Peer(2, "b o b", me=99)
    Node(ana, bob).deliver(raw)
    read = envelope.decode(raw)
    assert isinstance(read, envelope.Frames)
    expected = [
        (user, TailFrame(seq, prev, expires_at, read.bodies[body][1]))
        for user, seq, prev, expires_at, body in read.items
    ]
    for peer in (ana, bob):
        assert [frame for _, frame in peer.slow] == [frame for user, frame in expected if user == peer.user]


@pytest.mark.parametrize(
    ("at", "item"),
    [(5, Item("ana", 5, 4, 0)), (5, Item("ana", 8, 7, 0)), (5, Item("ana", 4, 3, 0))],
    ids=["again", "a gap", "older"],
)
def test_what_is_not_in_order_goes_through_the_session(at: int, item: Item):
    ana = Peer(1, "ana", me=at)
    Node(ana).deliver(frames(item))
    assert ana.sends == []
    assert ana.slow[0][1].seq == item.seq
    assert ana.session.me == at


def test_an_expired_frame_goes_through_the_session():
    ana = Peer(1, "ana")
    raw = envelope.encode_frames("main", "e", [Body("i", "r", '"id":"i"}', 1)], [Item("ana", 1, 0, 0)])
    Node(ana).deliver(raw)
    assert [frame.expires_at for _, frame in ana.slow] == [1]


def test_a_session_that_repairs_gets_everything_itself():
    ana = Peer(1, "ana")
    ana.session.end()
    Node(ana).deliver(frames(Item("ana", 1, 0, 0)), everyone(1))
    assert ana.sends == []
    assert [stream for stream, _ in ana.slow] == ["me", "all"]


def test_a_run_of_broadcasts_is_one_send_for_each():
    ana, bob, late = Peer(1, "ana"), Peer(2, "bob"), Peer(3, "late", everyone=1)
    Node(ana, bob, late).deliver(everyone(1), everyone(2), everyone(3))
    expected = b"".join(native.notification("all", seq, seq - 1, b'"id":"b"}') for seq in (1, 2, 3))
    assert ana.sends == bob.sends == [expected]
    assert [frame.seq for _, frame in late.slow] == [1, 2, 3]
    assert ana.session.all == 3


def test_the_excluded_are_served_before_the_others():
    ana, bob = Peer(1, "ana"), Peer(2, "bob")
    node = Node(ana, bob)
    bob.frame = lambda stream, frame: setattr(bob.session, "all", frame.seq)  # type: ignore[method-assign]
    node.deliver(everyone(1, excluded=("bob", "elsewhere")), everyone(2))
    assert len(ana.sends) == 2
    assert len(bob.sends) == 1


def test_order_on_a_connection_is_that_of_the_read():
    ana = Peer(1, "ana")
    Node(ana).deliver(everyone(1), frames(Item("ana", 1, 0, 0)), everyone(2), frames(Item("ana", 2, 1, 0)))
    kinds = [b'"all"' in part for part in ana.sends]
    assert kinds == [True, False, True, False]


def test_a_run_with_a_hole_is_two_runs():
    ana = Peer(1, "ana")
    Node(ana).deliver(everyone(1), everyone(3))
    assert len(ana.sends) == 1
    assert [frame.seq for _, frame in ana.slow] == [3]


def test_what_the_kernel_does_not_take_waits():
    ana, bob = Peer(1, "ana"), Peer(2, "bob")
    ana.kernel, bob.kernel = 10, 0
    Node(ana, bob).deliver(everyone(1))
    frame = native.notification("all", 1, 0, b'"id":"b"}')
    assert ana.calls == [("rest", frame[10:])]
    assert bob.calls == [("rest", frame)]


def test_a_broken_socket_ends_its_connection_only():
    ana, bob = Peer(1, "ana"), Peer(2, "bob")

    def broken(_: bytes) -> int:
        raise ConnectionResetError(104, "Connection reset by peer")

    ana.send = broken  # type: ignore[method-assign]
    Node(ana, bob).deliver(frames(Item("ana", 1, 0, 0), Item("bob", 1, 0, 0)))
    assert ana.calls == [("lost", "Connection reset by peer")]
    assert bob.sends == [me(1)]


def test_another_epoch_is_told_and_not_delivered():
    ana = Peer(1, "ana")
    node = Node(ana)
    node.deliver(frames(Item("ana", 1, 0, 0), epoch="old"))
    assert node.told == [("foreign", "main")]
    assert ana.sends == []


def test_state_goes_to_all_but_the_connection_that_caused_it():
    one, two = Peer(1, "ana"), Peer(2, "ana")
    Node(one, two).deliver(envelope.encode_state("main", "ana", {"type": "state"}, "n1.1"))
    assert one.sends == []
    assert two.sends == [native.encode({"type": "state"})]


def test_the_small_envelopes_find_their_way():
    ana = Peer(0xA, "ana")
    node = Node(ana)
    node.deliver(
        envelope.encode_probe(7),
        envelope.encode_synced("main", ["ana", "ben"]),
        envelope.encode_reply("n1.a", {"type": "reply", "ref": "r"}),
        envelope.encode_reply("n2.a", {"type": "reply", "ref": "r"}),
    )
    assert node.told == [("probe", 7), ("synced", "main", ("ana", "ben"))]
    assert ana.calls == [("reply", "r")]


@pytest.mark.parametrize(
    "raw", [b"", b"1 frames", b"1 frames main e 1\nr f\nx", b"9 all", b"1 all a b c d e\n[]\nx", b"\xff"]
)
def test_what_nobody_of_ours_wrote_does_no_harm(raw: bytes):
    ana = Peer(1, "ana")
    Node(ana).deliver(raw, frames(Item("ana", 1, 0, 0)))
    assert ana.sends == [me(1)]


def test_the_time_at_which_it_was_sent_is_read_from_the_end():
    data = '{"a":"\\",\\"expires_at\\":\\""}'
    times = {"sent_at_ms": 1_790_000_000_123, "expires_at_ms": 1_790_000_100_000}
    made = fragment(id="i1", event="e", data_json=data, **times)
    assert sent_ms(made.encode()) == 1_790_000_000_123
    assert sent_ms(replacing(made, "i0").encode()) == 1_790_000_000_123
    assert sent_ms(b'"id":"i1"}') is None
    assert sent_ms(b'"id":"i1","sent_at":"soon","expires_at":"later"}') is None
    assert sent_ms(b"") is None


class Quiet:
    """A dialect that shows what it is asked to make, once each, and never confirms."""

    name, acks = "quiet", False

    def __init__(self) -> None:
        self.made: list[tuple[Any, ...]] = []

    def notification(self, stream: str, seq: int, prev: int, fragment: bytes, user: str | None) -> bytes:
        self.made.append((stream, seq, user))
        return b"<%d>" % seq


def test_a_frame_is_made_once_for_all_who_speak_the_same():
    quiet = Quiet()
    peers = [Peer(number, "ana") for number in range(1, 4)] + [Peer(4, "bob")]
    for peer in peers[1:]:
        peer.dialect = quiet
    Node(*peers).deliver(frames(Item("ana", 1, 0, 0), Item("bob", 1, 0, 0)), everyone(1), everyone(2))
    assert quiet.made == [("me", 1, "ana"), ("me", 1, "bob"), ("all", 1, None), ("all", 2, None)]
    assert [b"".join(peer.sends) for peer in peers[1:]] == [b"<1><1><2>"] * 3
    assert b"".join(peers[0].sends) == me(1) + b"".join(
        native.notification("all", seq, seq - 1, b'"id":"b"}') for seq in (1, 2)
    )


def test_what_the_kernel_took_of_those_who_never_confirm_is_told_after_each_round():
    ana, bob = Peer(1, "ana"), Peer(2, "bob")
    bob.dialect = Quiet()
    node = Node(ana, bob)
    node.deliver(frames(Item("ana", 1, 0, 0), Item("bob", 1, 0, 0)), everyone(1), everyone(2))
    assert node.taken == [("bob", 1, 0), ("bob", 1, 2)]


@pytest.mark.parametrize("raw", [everyone(1), frames(Item("ana", 1, 0, 0))], ids=["everyone", "single"])
def test_what_the_kernel_did_not_take_whole_is_not_told(raw: bytes):
    short, full, waiting = Peer(1, "ana"), Peer(2, "ana"), Peer(3, "ana")
    for peer, kernel in ((short, 2), (full, 0), (waiting, 100)):
        peer.dialect, peer.kernel = Quiet(), kernel
    waiting.outbox = "what is before it"
    node = Node(short, full, waiting)
    node.deliver(raw)
    assert node.taken == []
    assert [peer.calls for peer in (short, full, waiting)] == [
        [("rest", b">")],
        [("rest", b"<1>")],
        [("rest", b"<1>")],
    ]


def test_it_is_told_before_anybody_else_gets_a_turn(monkeypatch: pytest.MonkeyPatch):
    for module in (broadcasts, unicasts):
        monkeypatch.setattr(module, "YIELD_EVERY", 2)
        monkeypatch.setattr(module.gevent, "sleep", lambda _: turns.append(len(node.taken)))
    turns: list[int] = []
    peers = [Peer(number, f"u{number}") for number in range(5)]
    for peer in peers:
        peer.dialect = Quiet()
    node = Node(*peers)
    node.deliver(everyone(1))
    node.deliver(frames(*(Item(f"u{number}", 1, 0, 0) for number in range(5))))
    assert turns == [2, 4, 7, 9]
    assert len(node.taken) == 10


def test_what_is_about_no_stream_goes_to_whom_it_is_for():
    node = Node()

    node.deliver(b'1 presence main\n{"user":"an a","online":true,"at":5}')

    assert node.told == [("presence", Presence("main", "an a", True, 5))]


def test_a_dialect_that_fails_does_not_make_the_node_deaf():
    class Failing:
        acks = True

        def notification(self, *_: Any) -> bytes:
            raise TypeError

    ana, bob = Peer(1, "ana"), Peer(2, "bob")
    ana.dialect = Failing()
    Node(ana, bob).deliver(frames(Item("bob", 1, 0, 0)), everyone(1))
    assert bob.sends == [me(1)]
    assert bob.session.all == 0  # it finds the gap
