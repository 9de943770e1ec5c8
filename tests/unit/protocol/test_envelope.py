"""What a worker sends is what a node reads, for every kind of envelope."""

import pytest

from shared.protocol import envelope
from shared.protocol.envelope import Body, Broadcast, Item, ReplayPart, TailFrame, UnknownEnvelope
from shared.protocol.revoke import Revoke, encode_revoke

BODIES = [Body("i1", "r1", '"id":"i1","data":"a b"}', 99), Body("i2", "r2", '"id":"i2"}', 98)]


def test_frames_name_each_user_with_seq_prev_and_body():
    raw = envelope.encode_frames("main", "e0", BODIES, [Item("ana maria", 7, 6, 1), Item("b", 1, 0, 0)])

    found = envelope.decode(raw)

    assert found == envelope.Frames(
        "main",
        "e0",
        [(b"r1", b'"id":"i1","data":"a b"}'), (b"r2", b'"id":"i2"}')],
        [("ana maria", 7, 6, 98, 1), ("b", 1, 0, 99, 0)],
    )


def test_a_frame_to_everyone_names_who_is_left_out():
    raw = envelope.encode_all("main", "e0", Broadcast(3, 2, BODIES[0], ("x y", "z")))

    found = envelope.decode(raw)

    assert found == envelope.All(
        "main", "e0", TailFrame(3, 2, 99, BODIES[0].fragment.encode(), ("x y", "z")), b"r1"
    )


def test_reply_state_synced_and_probe_come_back_as_they_were():
    assert envelope.decode(envelope.encode_reply("c1", {"a": 1})) == envelope.Reply("c1", b'{"a":1}')
    assert envelope.decode(envelope.encode_state("main", "u 1", {"rev": 2}, "c1")) == envelope.State(
        "main", "u 1", "c1", {"rev": 2}
    )
    assert envelope.decode(envelope.encode_synced("main", ["u 1", "ü"])) == envelope.Synced(
        "main", ("u 1", "ü")
    )
    assert envelope.decode(envelope.encode_probe(5)) == envelope.Probe(5)


def test_a_replay_keeps_frames_and_positions_of_both_streams():
    part = ReplayPart(
        connection="c1",
        attempt=2,
        last=True,
        me=9,
        all=4,
        recovered=True,
        me_frames=[TailFrame(8, 7, 99, b'"id":"i1"}'), TailFrame(9, 8, 0, b"")],
        all_frames=[TailFrame(4, 3, 98, b'"id":"i2"}')],
    )

    assert envelope.decode(envelope.encode_replay(part)) == part


@pytest.mark.parametrize("raw", [b"2 frames main e 0", b"1 nonsense x", b"", b"\n\n"])
def test_an_unknown_version_or_kind_is_refused_whole(raw: bytes):
    with pytest.raises(UnknownEnvelope):
        envelope.decode(raw)


@pytest.mark.parametrize(
    ("sessions", "before"), [(("s1", "s2"), None), (None, 1_790_000_000_000), (None, None)]
)
def test_a_revocation_names_the_user_and_what_ends(sessions, before):
    raw = encode_revoke("main", "u 1 ü", sessions, before)

    assert envelope.decode(raw) == Revoke("main", "u 1 ü", sessions, before)
