"""RFC 6455 over a real node: what Autobahn checks in 500 cases, the essentials of it in every run.

Numbers in the ids are the groups of Autobahn. A node speaks JSON, so that a `ping` message stands for an echo.
"""

import json

import pytest

from tests.conformance.wire import bytes_to_the_end, close_frame, not_a_ping
from tests.integration.wsnode.client import CLOSE, PING, PONG, TEXT, Frame, frame

ASK = b'{"type":"ping","ref":"%b"}'


def asked(ref: bytes) -> bytes:
    return ASK % ref


def reply(ref: str) -> dict[str, str]:
    return {"type": "pong", "ref": ref}


@pytest.mark.parametrize("size", [0, 1, 97, 98, 99, 100, 65_000])
def test_1_messages_of_every_length_form(client, size):
    padded = json.dumps({"type": "ping", "ref": "x", "pad": "a" * size}).encode()
    client.raw(frame(padded))
    assert client.next() == reply("x")


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe\xfd", b"x" * 125])
def test_2_a_ping_is_answered_with_its_payload(client, payload):
    client.raw(frame(payload, opcode=PING))
    assert client.read() == Frame(PONG, payload)


def test_2_pongs_nobody_asked_for_are_nothing(client):
    client.raw(frame(b"a", opcode=PONG) + frame(b"", opcode=PONG) + frame(b"b", opcode=PING))
    assert client.read() == Frame(PONG, b"b")


def test_2_ten_pings_in_a_row_are_answered_in_order(client):
    client.raw(b"".join(frame(b"%d" % n, opcode=PING) for n in range(10)))
    assert [client.read().payload for _ in range(10)] == [b"%d" % n for n in range(10)]


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, PING, CLOSE])
def test_3_reserved_bits_are_1002(client, rsv, opcode):
    client.raw(frame(b"", opcode=opcode, rsv=rsv))
    assert close_frame(client).payload[:2] == b"\x03\xea"


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_4_reserved_opcodes_are_1002(client, opcode):
    client.raw(frame(asked(b"before")) + frame(b"", opcode=opcode) + frame(asked(b"after")))
    assert client.next() == reply("before")
    assert close_frame(client).payload[:2] == b"\x03\xea"


@pytest.mark.parametrize("chop", [1, 2, 7, 1000])
def test_5_a_fragmented_message_arrives_however_it_is_cut(client, chop):
    text = asked(b"f")
    parts = [text[at : at + chop] for at in range(0, len(text), chop)]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        client.raw(frame(part, opcode=TEXT if number == 0 else 0, fin=last))
    assert client.next() == reply("f")


def test_5_a_ping_between_fragments_is_answered_at_once(client):
    text = asked(b"f")
    client.raw(frame(text[:5], fin=False) + frame(b"p", opcode=PING))
    assert client.read() == Frame(PONG, b"p")
    client.raw(frame(text[5:], opcode=0))
    assert client.next() == reply("f")


@pytest.mark.parametrize(
    "data",
    [
        frame(b"x", opcode=0),
        frame(b"x", opcode=0, fin=False),
        frame(b"{", fin=False) + frame(b"}"),
        frame(asked(b"a"), opcode=TEXT) + frame(b"x", opcode=0),
        frame(b"", opcode=PING, fin=False),
        frame(b"x" * 126, opcode=PING),
        b"\x89\xfe\x00\x01mask",
    ],
)
def test_5_fragments_out_of_place_and_long_control_frames_are_1002(client, data):
    client.raw(data)
    assert close_frame(client).payload[:2] == b"\x03\xea"


def test_5_a_frame_without_a_mask_is_1002(client):
    client.raw(b"\x81\x02{}")
    assert close_frame(client).payload[:2] == b"\x03\xea"


@pytest.mark.parametrize(
    "head", [b"\x81\xfe\x00\x05", b"\x81\xff" + (65_535).to_bytes(8), b"\x81\xff" + b"\xff" * 8]
)
def test_5_a_length_that_is_not_the_shortest_form_is_1002(client, head):
    client.raw(head + b"mask")
    assert close_frame(client).payload[:2] == b"\x03\xea"


@pytest.mark.parametrize("text", ["κόσμε", "\u0000", "\uffff", "\U0010ffff", "🙂", "\u2028"])
def test_6_every_character_is_understood(client, text):
    client.raw(frame(json.dumps({"type": "ping", "ref": text}, ensure_ascii=False).encode()))
    assert client.next() == reply(text)


@pytest.mark.parametrize(
    "bad",
    [
        b"\x80",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\xc3",
    ],
)
def test_6_text_that_is_not_utf8_is_1007(client, bad):
    client.raw(frame(bad))
    assert close_frame(client).payload[:2] == b"\x03\xef"


def test_6_a_character_may_be_cut_between_fragments_and_a_bad_one_does_not_wait_for_the_end(client):
    text = '{"type":"ping","ref":"é"}'.encode()
    at = text.index(b"\xc3") + 1
    client.raw(frame(text[:at], fin=False) + frame(text[at:], opcode=0))
    assert client.next() == reply("é")
    client.raw(frame(b"\xce\xba", fin=False) + frame(b"\xff", opcode=0, fin=False))
    assert close_frame(client).payload[:2] == b"\x03\xef"


def test_7_a_close_ends_the_connection_and_what_is_behind_it_is_nothing(client):
    client.raw(frame(b"\x03\xe8", opcode=CLOSE) + frame(asked(b"late")) + frame(b"p", opcode=PING))
    assert bytes_to_the_end(client) == b"\x88\x02\x03\xe8"


def test_7_a_second_close_is_nothing(client):
    client.raw(frame(b"\x03\xe8", opcode=CLOSE) * 2)
    assert bytes_to_the_end(client) == b"\x88\x02\x03\xe8"


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
)
def test_7_a_good_code_comes_back_as_it_was(client, code):
    client.raw(frame(code.to_bytes(2) + "bÿe".encode(), opcode=CLOSE))
    assert bytes_to_the_end(client) == b"\x88\x02" + code.to_bytes(2)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
def test_7_a_code_nobody_may_send_is_1002(client, code):
    client.raw(frame(code.to_bytes(2), opcode=CLOSE))
    assert close_frame(client).payload[:2] == b"\x03\xea"


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"\x03", 1002), (b"\x03\xe8\xce\xba\xed\xa0\x80", 1007), (b"\x03\xe8" + b"x" * 124, 1002)],
)
def test_7_a_close_with_a_bad_payload(client, payload, code):
    client.raw(frame(payload, opcode=CLOSE))
    assert int.from_bytes(close_frame(client).payload[:2]) == code


def test_9_a_message_of_the_largest_size_is_understood_and_one_byte_more_is_1009(client):
    head, tail = b'{"type":"ping","ref":"big","pad":"', b'"}'
    text = head + b"a" * (65_536 - len(head) - len(tail)) + tail
    client.raw(frame(text))
    assert client.next() == reply("big")
    client.raw(frame(text + b" "))
    assert close_frame(client).payload[:2] == b"\x03\xf1"


def test_10_a_frame_in_single_bytes_is_understood(client):
    for byte in frame(asked(b"slow")):
        client.raw(bytes([byte]))
    assert not_a_ping(client) == Frame(TEXT, b'{"type":"pong","ref":"slow"}')
