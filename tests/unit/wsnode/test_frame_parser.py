"""Bytes in, events out: RFC 6455's own examples, its musts, our limits, and any cutting of the input."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.wsnode.client import frame
from wsnode.frame_parser import Binary, Close, Event, Fault, FrameParser, Ping, Pong, Text, unmask

KEY = bytes.fromhex("37fa213d")
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def parser(size_max: int = 65536, fragments_max: int = 64) -> FrameParser:
    return FrameParser(size_max=size_max, fragments_max=fragments_max)


def feed(data: bytes, **options: int) -> list[Event]:
    return parser(**options).feed(data)


def fault(data: bytes, **options: int) -> int:
    """The close code that ends the input."""
    events = feed(data, **options)
    assert isinstance(events[-1], Fault), events
    return events[-1].code


def test_the_masked_hello_of_the_rfc():
    assert feed(bytes.fromhex("818537fa213d7f9f4d5158")) == [Text("Hello")]


def test_a_masked_ping_as_in_the_rfc():
    assert feed(frame(b"Hello", opcode=PING, mask=KEY)) == [Ping(b"Hello")]


def test_the_fragmented_hello_of_the_rfc_with_a_pong_between():
    data = (
        frame(b"Hel", fin=False, mask=KEY)
        + frame(b"", opcode=PONG)
        + frame(b"lo", opcode=CONTINUATION, mask=KEY)
    )
    assert feed(data) == [Pong(b""), Text("Hello")]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536])
def test_every_length_form(size: int):
    assert feed(frame(b"x" * size)) == [Text("x" * size)]
    assert feed(frame(b"\xff" * size, opcode=BINARY)) == [Binary(b"\xff" * size)]


def test_unmasking_is_the_bytewise_xor():
    payload = bytes(range(256)) + b"abc"
    assert unmask(payload, KEY) == bytes(byte ^ KEY[i % 4] for i, byte in enumerate(payload))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x81\x05Hello", "not masked"),
        (b"\x81\x00", "not masked and empty"),
        (frame(b"x", rsv=4), "RSV1: no compression was agreed"),
        (frame(b"x", rsv=2), "RSV2"),
        (frame(b"x", rsv=1), "RSV3"),
        *((frame(b"x", opcode=code), f"opcode {code}") for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
        (frame(b"x", opcode=CONTINUATION), "continues nothing"),
        (frame(b"a", fin=False) + frame(b"b"), "a new message inside another"),
        (frame(b"x", opcode=PING, fin=False), "fragmented control frame"),
        (frame(b"x" * 126, opcode=PING), "control frame too long"),
        (frame(b"x" * 126, opcode=CLOSE), "close frame too long"),
        (b"\x81\xfe\x00\x7d" + KEY, "125 in two bytes"),
        (b"\x81\xff" + (65535).to_bytes(8) + KEY, "65535 in eight bytes"),
        (b"\x81\xff" + (1 << 63).to_bytes(8) + KEY, "the highest bit of a length"),
    ],
)
def test_what_breaks_the_protocol_is_1002(data: bytes, why: str):
    assert fault(data) == 1002, why


@pytest.mark.parametrize("data", [frame(b"\xce\xba\xff"), frame(b"\xed\xa0\x80"), frame(b"\xc3")])
def test_text_that_is_not_utf8_is_1007(data: bytes):
    assert fault(data) == 1007


def test_bad_text_in_a_fragment_is_refused_before_the_last_one_comes():
    assert fault(frame(b"\xff", fin=False)) == 1007


def test_a_letter_may_be_cut_by_a_fragment():
    word = "κόσμε".encode()
    data = frame(word[:1], fin=False) + frame(word[1:4], opcode=CONTINUATION, fin=False)
    assert feed(data + frame(word[4:], opcode=CONTINUATION)) == [Text("κόσμε")]


def test_a_message_may_not_end_inside_a_letter():
    assert fault(frame(b"\xce", fin=False) + frame(b"", opcode=CONTINUATION)) == 1007


def test_a_frame_that_announces_too_much_is_1009_before_its_payload_comes():
    assert fault(b"\x81\xff" + (65537).to_bytes(8)) == 1009
    assert fault(b"\x81\xff" + (1 << 62).to_bytes(8)) == 1009


def test_fragments_together_may_not_be_too_big():
    assert (
        fault(frame(b"x" * 60, fin=False) + frame(b"x" * 41, opcode=CONTINUATION)[:6], size_max=100) == 1009
    )


def test_too_many_fragments_are_1009():
    allowed = frame(b"", fin=False) + frame(b"", opcode=CONTINUATION, fin=False) * 62
    assert feed(allowed + frame(b"", opcode=CONTINUATION)) == [Text("")]
    assert fault(allowed + frame(b"", opcode=CONTINUATION, fin=False) * 2) == 1009


def test_control_frames_do_not_count_as_fragments():
    data = frame(b"a", fin=False) + frame(b"", opcode=PING) * 100 + frame(b"b", opcode=CONTINUATION)
    assert feed(data)[-1] == Text("ab")


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999])
def test_close_codes_that_may_be_sent(code: int):
    assert feed(frame(code.to_bytes(2) + "tschüß".encode(), opcode=CLOSE)) == [Close(code, "tschüß")]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000, 65535])
def test_close_codes_that_may_not_be_sent(code: int):
    assert fault(frame(code.to_bytes(2), opcode=CLOSE)) == 1002


def test_a_close_frame_may_be_empty_but_not_of_one_byte():
    assert feed(frame(b"", opcode=CLOSE)) == [Close(1005, "")]
    assert fault(frame(b"\x03", opcode=CLOSE)) == 1002


def test_a_close_reason_must_be_utf8():
    assert fault(frame(b"\x03\xe8\xff", opcode=CLOSE)) == 1007


def test_after_close_or_fault_nothing_is_read():
    for last in (frame(b"", opcode=CLOSE), b"\xf1\x80"):
        one = parser()
        assert len(one.feed(last + frame(b"later"))) == 1
        assert one.feed(frame(b"later")) == []
        assert not one.idle


def test_what_came_before_a_fault_is_still_told():
    assert feed(frame(b"first") + b"\xf1\x80")[0] == Text("first")


def test_a_parser_is_idle_only_between_messages():
    one = parser()
    assert one.idle
    for data, idle in ((frame(b"ab")[:3], False), (frame(b"ab")[3:], True), (frame(b"a", fin=False), False)):
        one.feed(data)
        assert one.idle is idle
    one.feed(frame(b"b", opcode=CONTINUATION))
    assert one.idle


MESSAGES = st.lists(
    st.one_of(
        st.text(max_size=300).map(lambda text: ([(TEXT, text.encode())], Text(text))),
        st.binary(max_size=300).map(lambda data: ([(BINARY, data)], Binary(data))),
        st.binary(max_size=125).map(lambda data: ([(PING, data)], Ping(data))),
        st.lists(st.text(max_size=40), min_size=2, max_size=6).map(
            lambda parts: (
                [(TEXT if i == 0 else CONTINUATION, part.encode()) for i, part in enumerate(parts)],
                Text("".join(parts)),
            )
        ),
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(
    messages=MESSAGES,
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=20),
    mask=st.binary(min_size=4, max_size=4),
)
def test_however_the_bytes_are_cut_the_events_are_the_same(messages, cuts, mask):
    data = b"".join(
        frame(payload, opcode=opcode, fin=number == len(parts) - 1, mask=mask)
        for parts, _ in messages
        for number, (opcode, payload) in enumerate(parts)
    )
    one, events, at, turn = parser(), [], 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        events += one.feed(data[at : at + size])
        at, turn = at + size, turn + 1

    assert events == [event for _, event in messages]
    assert one.idle


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=400))
def test_no_bytes_make_it_raise_or_keep_more_than_a_frame(data):
    one = parser(size_max=200)
    events = one.feed(data)
    assert sum(isinstance(event, Fault | Close) for event in events) <= 1
    assert len(one._buffer) <= 200 + 14
