"""Every close code of docs/protocol.md, byte by byte on a raw socket: bye, Close frame, and nothing after it."""

import json
import time

import pytest

from shared.protocol.close_codes import CloseCode, comes_back
from tests.conformance.wire import bytes_to_the_end
from tests.integration.wsnode.backend import Backend
from tests.integration.wsnode.client import BINARY, CLOSE, PING, PONG, TEXT, Client, frame, wait_until


def closing(code: int, reason: str) -> bytes:
    """A Close frame."""
    said = code.to_bytes(2) + reason.encode()
    return bytes([0x88, len(said)]) + said


def farewell(code: int, reason: str, retry_after: float | None = 1.0) -> bytes:
    """A bye, then the Close frame."""
    again = comes_back(CloseCode(code))
    bye = {"type": "bye", "code": code, "reason": reason, "reconnect": again}
    bye["retry_after"] = retry_after if again else None
    text = json.dumps(bye, separators=(",", ":")).encode()
    head = bytes([0x81, len(text)]) if len(text) < 126 else b"\x81\x7e" + len(text).to_bytes(2)
    return head + text + closing(code, reason)


@pytest.mark.parametrize(
    ("data", "last"),
    [
        (frame(b"\x03\xe8bye", opcode=CLOSE), b"\x88\x02\x03\xe8"),
        (frame(b"", opcode=CLOSE), b"\x88\x00"),
        (b"\x81\x02{}", closing(1002, "frame is not masked")),
        (frame(b"", rsv=4), closing(1002, "reserved bits are set")),
        (frame(b"", opcode=3), closing(1002, "reserved opcode")),
        (frame(b"x" * 126, opcode=PING), closing(1002, "control frame is fragmented or too long")),
        (frame(b"\x03\xed", opcode=CLOSE), closing(1002, "close code is not allowed")),
        (frame(b"x", opcode=BINARY), closing(1003, "only text is understood")),
        (frame(b"\xff"), closing(1007, "text is not UTF-8")),
        (frame(b"[1]"), closing(1007, "not an object")),
        (b"\x81\xff" + (1 << 62).to_bytes(8), closing(1009, "message too big")),
        (frame(b"", fin=False) + frame(b"", opcode=0, fin=False) * 64, closing(1009, "too many fragments")),
    ],
)
def test_what_breaks_the_protocol_ends_with_its_code_and_nothing_else(client, data, last):
    client.raw(data)
    assert bytes_to_the_end(client) == last


def test_4001_for_a_credential_that_is_none(node, backend):
    with Client(node.port) as client:
        client.raw(frame(b'{"type":"ack","me":1}'))
        client.raw(frame(b"", opcode=CLOSE))
        assert bytes_to_the_end(client) == farewell(4001, "the first message must be auth")


def test_4008_for_who_does_not_sign_in_in_time(node, backend):
    with Client(node.port) as client:
        began = time.monotonic()
        assert bytes_to_the_end(client) == farewell(4008, "no sign-in in time")
    assert 0.9 < time.monotonic() - began < 6


def test_4008_for_a_message_that_takes_too_long_whatever_comes_between_its_fragments(client):
    """A ping each moment must not make the message younger."""
    began = time.monotonic()
    client.raw(frame(b'{"type":', fin=False))
    client.socket.settimeout(0.3)
    data = b""
    while closing(4008, "a message took too long") not in data and time.monotonic() - began < 6:
        client.raw(frame(b"", opcode=PING))
        try:
            data += client.socket.recv(65_536)
            client.socket.settimeout(0.3)
            time.sleep(0.2)  # the pings are meant to be slow, below their own limit
        except TimeoutError:
            continue
    assert data.replace(b"\x8a\x00", b"") == farewell(4008, "a message took too long")


def test_4010_when_the_position_is_lost(start_node, own_redis):
    backend = Backend(own_redis.url)
    backend.start()
    with start_node(own_redis.url).connect("loses") as client:
        client.online()
        backend.client.hset("app:main", "epoch", "e1")
        backend.epoch = "e1"
        backend.publish("loses")
        assert bytes_to_the_end(client) == farewell(4010, "the stream has begun a new epoch")
    backend.stop()


def test_4011_when_the_token_ends(node, backend):
    with Client(node.port, token=node.token("ends", ttl=1.5)) as client:
        client.online()
        assert bytes_to_the_end(client).endswith(farewell(4011, "the token has expired"))


@pytest.mark.parametrize(
    ("flood", "reason"),
    [
        (frame(b'{"type":"ping"}') * 1200, "too many messages a second"),
        (frame(b"", opcode=PING) * 80, "too many pings a second"),
        (frame(b"", opcode=PONG) * 80, "too many pings a second"),
    ],
)
def test_4029_for_a_flood(client, flood, reason):
    client.raw(flood)
    client.raw(frame(b"", opcode=CLOSE))
    assert bytes_to_the_end(client).endswith(farewell(4029, reason))


def test_4012_when_the_node_goes_away(start_node, redis_server, backend):
    node = start_node(redis_server.url)
    with node.connect("goes") as client:
        client.online()
        node.terminate()
        last = bytes_to_the_end(client)
    assert last.endswith(closing(4012, "the node is going away"))
    bye = json.loads(last[last.index(b"{") : last.rindex(b"}") + 1])
    assert (bye["type"], bye["code"], bye["reconnect"]) == ("bye", 4012, True)
    assert 0 <= bye["retry_after"] <= 3


def test_4008_for_who_never_reads_comes_at_the_edge_of_a_frame(node, backend):
    with node.connect("never reads", receive_buffer=4096) as client:
        client.online()
        before = node.metric("bellhop_slow_disconnects_total")
        for _ in range(120):
            backend.publish("never reads", size=60_000)
        wait_until(lambda: node.metric("bellhop_slow_disconnects_total") == before + 1)
        frames = []
        while not frames or frames[-1].opcode != CLOSE:
            frames.append(client.read())
    assert frames[-1].payload == (4008).to_bytes(2) + b"reads too slowly"
    assert json.loads(frames[-2].payload)["code"] == 4008
    shown = [json.loads(one.payload)["seq"] for one in frames[:-2] if one.opcode == TEXT]
    assert shown == list(range(1, len(shown) + 1))
