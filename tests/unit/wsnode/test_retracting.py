"""Taking back at the node: after what came before it, to whom it concerns, and never before what it is about."""

import json
from typing import Any

from shared.protocol import envelope
from shared.protocol.envelope import Body, Broadcast, Item
from shared.redis.streams import Since
from tests.unit.wsnode.test_delivery import Node, Peer
from tests.unit.wsnode.test_session import NOW, found, ready, row, rows
from wsnode.events import Deliver, Retracted
from wsnode.repair import Phase, Repair
from wsnode.session import Session

ID = "0199b7c0-0000-7000-8000-000000000001"
LATER = 99_000_000_000_000
TAKEN = Retracted([ID], "cancelled", None, None)
BODY = Body(ID, "r", f'"id":"{ID}"}}', LATER)


def from_users(*lines: str) -> bytes:
    head = json.dumps({"ids": [ID], "reason": "cancelled"})
    return "\n".join(["1 retract main users", head, *lines]).encode()


def frames(peer: Any) -> list[dict[str, Any]]:
    """What went to a peer, as documents; frames of one send are one after the other."""
    decoder, text, documents = json.JSONDecoder(), b"".join(peer.sends), []
    while text:
        payload = text[4:] if text[1] == 126 else text[2:]
        size = int.from_bytes(text[2:4], "big") if text[1] == 126 else text[1]
        documents.append(decoder.decode(payload[:size].decode()))
        text = payload[size:]
    return documents


def test_every_connection_of_a_user_is_told_with_the_numbers():
    ana, again, ben = Peer(1, "ana maria"), Peer(2, "ana maria"), Peer(3, "ben")
    Node(ana, again, ben).delivery.deliver([from_users("7 4 3 2 1 ana maria", "1 0 0 0 0 away")])

    counts = {"total": 4, "unseen": 3, "unread": 2, "archived": 1}
    told = {"type": "retract", "ids": [ID], "reason": "cancelled", "counts": counts, "rev": 7}
    assert frames(ana) == frames(again) == [told]
    assert ben.sends == []


def test_it_leaves_after_the_frame_that_came_before_it_in_the_same_batch():
    ana = Peer(1, "ana")
    node = Node(ana)
    node.delivery.deliver(
        [
            envelope.encode_frames("main", "e", [BODY], [Item("ana", 1, 0, 0)]),
            envelope.encode_all("main", "e", Broadcast(1, 0, BODY)),
            from_users("2 0 0 0 0 ana"),
            envelope.encode_frames("main", "e", [BODY], [Item("ana", 2, 1, 0)]),
        ]
    )

    assert [frame["type"] for frame in frames(ana)] == [
        "notification",
        "notification",
        "retract",
        "notification",
    ]


def test_what_went_to_everyone_is_taken_from_everyone_of_the_app():
    ana, ben = Peer(1, "ana"), Peer(2, "ben")
    node = Node(ana, ben)
    head = json.dumps({"ids": [ID], "reason": "cancelled"}).encode()
    node.delivery.deliver([b"1 retract main all\n" + head, b"1 retract shop all\n" + head])

    told = {"type": "retract", "ids": [ID], "reason": "cancelled", "counts": None, "rev": None}
    assert frames(ana) == frames(ben) == [told]


def test_an_empty_place_at_the_end_of_everyones_stream_is_a_position():
    ana = Peer(1, "ana")
    Node(ana).delivery.deliver([b"1 all main e 1 0 0\n[]\n- "])

    [(stream, frame)] = ana.slow
    assert (stream, frame.seq, frame.fragment) == ("all", 1, b"")


def test_in_a_repair_it_waits_for_what_it_may_be_about():
    one = ready(me=5)
    one.frame("me", row(7), NOW)
    assert one.repair is not None and one.repair.phase is Phase.GAP
    one.repair.hold_retract(TAKEN, 10_000)

    events = one.frame("me", row(6), NOW)

    assert [type(event) for event in events if isinstance(event, (Deliver, Retracted))] == [
        Deliver,
        Deliver,
        Retracted,
    ]
    assert one.repair is None


def test_while_it_opens_it_waits_for_the_tail():
    one = Session("ana", Since("e", 0, 0), hold_bytes=10_000)
    assert one.repair is not None
    one.repair.hold_retract(TAKEN, 10_000)

    events = one.opened(found(me_top=2, me_tail=rows(1, 2)), NOW)

    assert events[-1] == TAKEN


def test_what_waits_is_bounded_and_nothing_waits_for_one_that_has_ended():
    repair = Repair(Phase.GAP)
    for _ in range(9):
        repair.hold_retract(TAKEN._replace(ids=["x" * 100]), 1_000)
    assert len(repair.retracts()) == 3
    ended = ready()
    ended.end()
    assert ended.repair is not None
    ended.repair.hold_retract(TAKEN, 1_000)
    assert ended.repair.retracts() == []
