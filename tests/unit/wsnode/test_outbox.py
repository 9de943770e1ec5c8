"""The bound of what one client may leave unread."""

from wsnode.outbox import FREE_MAX, Outbox


def drained(box: Outbox) -> bytes:
    out = b""
    while box.size:
        chunk = bytes(box.first())
        out += chunk
        box.sent(len(chunk), 0.0)
    return out


def test_what_goes_in_comes_out_in_order_however_little_is_taken():
    box, out = Outbox(100, 0.0), b""
    for part in (b"abc", b"defg", b"h"):
        assert box.put(part)
    while box.size:
        out += bytes(box.first()[:2])
        box.sent(len(box.first()[:2]), 0.0)
    assert out == b"abcdefgh"


def test_over_the_limit_it_refuses():
    box = Outbox(10, 0.0)
    assert box.put(b"first")
    assert box.put(b"x" * 10)
    assert not box.put(b"y")


def test_a_first_chunk_may_be_as_long_as_its_frame():
    assert Outbox(10, 0.0).put(b"x" * 1000)


def test_free_bytes_lift_the_limit_by_their_size():
    box = Outbox(10, 0.0)
    assert box.put(b"a")
    assert box.put(b"x" * 1000, free=True)
    assert box.put(b"y" * 10)
    assert not box.put(b"z")


def test_even_a_resume_has_a_bound():
    box = Outbox(10, 0.0)
    assert box.put(b"x" * FREE_MAX, free=True)
    assert not box.put(b"x", free=True)


def test_cut_keeps_only_the_chunk_under_way():
    box = Outbox(100, 0.0)
    box.put(b"under way")
    box.put(b"forgotten")
    box.sent(6, 1.0)
    box.cut()
    assert box.put(b"!", free=True)
    assert drained(box) == b"way!"


def test_taking_bytes_is_progress():
    box = Outbox(10, 1.0)
    box.put(b"abc")
    box.sent(1, 7.5)
    assert box.progressed_at == 7.5


def test_only_the_latest_pong_goes_out_and_between_two_frames():
    box = Outbox(100, 0.0)
    for part in (b"half a frame", b"next"):
        assert box.put(part)
    box.sent(4, 0.0)
    box.pong = b"<1>"
    box.pong = b"<2>"
    assert drained(box) == b" a frame<2>next"


def test_what_is_cut_takes_its_pong_along():
    box = Outbox(100, 0.0)
    box.put(b"under way")
    box.pong = b"<1>"
    box.cut()
    box.put(b"close")
    assert drained(box) == b"under wayclose"
