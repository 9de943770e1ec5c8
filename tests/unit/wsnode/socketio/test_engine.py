"""Engine.IO: packets and payloads as literal text, both ways."""

import json

import pytest
from engineio.packet import CLOSE, MESSAGE, PING, PONG, UPGRADE

from wsnode.socketio import engine
from wsnode.socketio.engine import BadPacket, Read


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("40", Read(MESSAGE, "0")),
        ('42["hello",1]', Read(MESSAGE, '2["hello",1]')),
        ("4" + "[" * 100_000, Read(MESSAGE, "[" * 100_000)),
        ('4{"a":1}', Read(MESSAGE, '{"a":1}')),
        ("2probe", Read(PING, "probe")),
        ("2", Read(PING, "")),
        ("3", Read(PONG, "")),
        ("5", Read(UPGRADE, "")),
        ("1", Read(CLOSE, "")),
        ("bAAEC", Read(MESSAGE, "", binary=True)),
    ],
)
def test_packets_of_a_client(text: str, means: Read):
    assert engine.decode(text) == means


@pytest.mark.parametrize("text", ["", "x", "0{}", "7", "9", "\u0664", "½", "-1"])
def test_what_no_client_sends(text: str):
    with pytest.raises(BadPacket):
        engine.decode(text)


def test_a_payload_is_split_at_the_record_separator():
    assert engine.split(b'40{"token":"t"}\x1e3\x1e42["a"]') == ['40{"token":"t"}', "3", '42["a"]']


@pytest.mark.parametrize("body", [b"\xff", b"\x1e".join([b"3"] * 1001)])
def test_a_payload_that_is_not_taken(body: bytes):
    with pytest.raises(BadPacket):
        engine.split(body)


def test_the_first_packet_of_a_session():
    text = engine.opening("abc", upgrades=True, ping_interval=25, pong_wait=8, payload_max=65536)
    assert text[0] == "0"
    assert json.loads(text[1:]) == {
        "sid": "abc",
        "upgrades": ["websocket"],
        "pingInterval": 25000,
        "pingTimeout": 8000,
        "maxPayload": 65536,
    }
    only = engine.opening("abc", upgrades=False, ping_interval=25, pong_wait=8, payload_max=65536)
    assert json.loads(only[1:])["upgrades"] == []


def test_errors_carry_the_codes_that_clients_know():
    assert json.loads(engine.unknown_session().body()) == {"code": 1, "message": "Session ID unknown"}
    assert [
        error.code
        for error in (
            engine.unknown_transport(),
            engine.unknown_session(),
            engine.bad_method(),
            engine.bad_request(),
            engine.forbidden("no"),
            engine.unsupported_version(),
        )
    ] == [0, 1, 2, 3, 4, 5]
