"""Frames that break RFC 6455 on a real connection: the Close frame byte by byte, then the end of the connection."""

import pytest

from tests.integration.wsnode.client import CLOSE, PING, PONG, TEXT, frame


def close_code(client) -> int:
    """Read raw frames up to the Close frame; the server must then hang up although we do not answer it."""
    while (got := client.read()).opcode != CLOSE:
        pass
    assert client.ended()
    return int.from_bytes(got.payload[:2])


@pytest.fixture
def client(node, backend, user):
    with node.connect(user) as client:
        client.online()
        yield client


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02hi", 1002),
        (frame(b"{}", rsv=4), 1002),
        (frame(b"x", opcode=3), 1002),
        (frame(b"x", opcode=11), 1002),
        (frame(b"x", opcode=0), 1002),
        (frame(b"x" * 126, opcode=PING), 1002),
        (frame(b"", opcode=PING, fin=False), 1002),
        (frame(b"\x03", opcode=CLOSE), 1002),
        (frame((1005).to_bytes(2), opcode=CLOSE), 1002),
        (frame(b"\xff\xfe"), 1007),
        (frame(b"not json"), 1007),
        (frame(b"[1]"), 1007),
        (frame(b"x", opcode=2), 1003),
        (b"\x81\xff" + (65_537).to_bytes(8) + b"mask", 1009),
        (b"\x81\xff" + (1 << 40).to_bytes(8), 1009),
        (frame(b"a" * 40_000, fin=False) + frame(b"a" * 40_000, opcode=0), 1009),
        (frame(b"", fin=False) + frame(b"", opcode=0, fin=False) * 64, 1009),
    ],
)
def test_a_fault_is_closed_with_its_code(client, data, code):
    client.raw(data)
    assert close_code(client) == code


def test_a_fault_with_much_behind_it_still_gets_its_close_frame(client):
    client.raw(frame(b"x", rsv=1) + b"y" * 200_000)
    assert close_code(client) == 1002


@pytest.mark.parametrize(
    ("said", "echoed"),
    [
        (b"", b""),
        ((1000).to_bytes(2) + b"bye", (1000).to_bytes(2)),
        ((4999).to_bytes(2), (4999).to_bytes(2)),
    ],
)
def test_a_close_is_echoed_with_its_code_and_the_server_hangs_up(client, said, echoed):
    client.raw(frame(said, opcode=CLOSE))
    got = client.read()
    assert (got.opcode, got.payload) == (CLOSE, echoed)
    assert client.ended()


def test_a_ping_is_answered_with_its_payload(client):
    client.raw(frame(b"payload", opcode=PING))
    got = client.read()
    assert (got.opcode, got.payload) == (PONG, b"payload")


def test_a_message_in_fragments_with_a_ping_between_is_understood(client):
    client.raw(frame(b'{"type":', fin=False) + frame(b"p", opcode=PING) + frame(b'"ping"}', opcode=0))
    assert client.read().opcode == PONG
    assert client.read().opcode == TEXT


def test_bytes_one_by_one_are_understood(client):
    for byte in frame(b'{"type":"ping","ref":"slow"}'):
        client.raw(bytes([byte]))
    assert client.next() == {"type": "pong", "ref": "slow"}


def test_the_server_never_masks_and_an_unasked_pong_is_nothing(client):
    client.raw(frame(b"hello", opcode=PONG))
    client.send(type="ping")
    assert client.next() == {"type": "pong"}


def test_a_flood_is_closed_with_4029(client):
    client.raw(frame(b'{"type":"ping"}') * 3000)
    assert client.closed().code in {4029, 1006}
    byes = [found for found in client.seen if found["type"] == "bye"]
    assert all(bye["code"] == 4029 and bye["reconnect"] for bye in byes)


def test_after_its_close_frame_the_server_sends_nothing(node, backend, user):
    with node.connect(user) as client:
        client.online()
        client.raw(frame(b"", opcode=CLOSE))
        backend.publish(user)
        # What was published may have overtaken our close frame on its way; after the answer to it nothing comes.
        while (read := client.read()).opcode != CLOSE:
            assert read.opcode == TEXT
        assert client.ended()
