"""A replay in envelopes of bounded size."""

from hypothesis import given
from hypothesis import strategies as st

from shared.protocol.envelope import TailFrame
from workers.parts import OVERHEAD, cut


def frames(sizes):
    return [TailFrame(seq, seq - 1, 0, b"x" * size) for seq, size in enumerate(sizes, start=1)]


def test_nothing_is_one_empty_part():
    [part] = cut([], [])

    assert (part.me, part.all) == ([], [])


@given(st.lists(st.integers(0, 300), max_size=30), st.lists(st.integers(0, 300), max_size=30))
def test_parts_keep_all_frames_in_order_and_the_limit(me_sizes, all_sizes):
    me, all = frames(me_sizes), frames(all_sizes)

    parts = list(cut(me, all, limit=500))

    assert [frame for part in parts for frame in part.me] == me
    assert [frame for part in parts for frame in part.all] == all
    for part in parts:
        both = part.me + part.all
        assert len(both) <= 1 or sum(len(frame.fragment) + OVERHEAD for frame in both) <= 500
    assert all == [] or not any(
        part.me for part in parts[next(i for i, p in enumerate(parts) if p.all) + 1 :]
    )
