"""Frames of the server byte by byte."""

import pytest

from wsnode import wire


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, "8100"),
        (5, "8105"),
        (125, "817d"),
        (126, "817e007e"),
        (65535, "817effff"),
        (65536, "817f0000000000010000"),
    ],
)
def test_text_frames_use_the_shortest_length(size: int, head: str):
    assert wire.text(b"x" * size) == bytes.fromhex(head) + b"x" * size


def test_control_frames():
    assert wire.PING == b"\x89\x00"
    assert wire.pong(b"abc") == b"\x8a\x03abc"
    assert wire.close(4012, "bye") == b"\x88\x05" + (4012).to_bytes(2) + b"bye"
    assert wire.close(None) == b"\x88\x00"


def test_a_long_reason_is_cut_at_a_letter():
    frame = wire.close(1000, "é" * 100)
    assert frame[1] == 2 + 122
    assert frame[4:].decode() == "é" * 61
