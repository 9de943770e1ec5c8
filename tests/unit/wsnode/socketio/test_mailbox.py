"""Frames become a payload: nothing is lost, whatever their length."""

import pytest

from wsnode import wire
from wsnode.socketio.mailbox import packets, payload


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 300_000])
def test_frames_of_every_length(size: int):
    texts = [b"4" + b"x" * size, b"2", b"4" + b"y" * size]
    assert packets(b"".join(wire.text(text) for text in texts)) == texts
    assert payload(texts) == b"\x1e".join(texts)


def test_a_close_frame_ends_the_session_and_pings_say_nothing():
    frames = wire.text(b"41") + wire.PING + wire.pong(b"x") + wire.close(4001, "no")
    assert packets(frames) == [b"41", b"1"]
    assert packets(b"") == []
    assert payload([]) == b""
