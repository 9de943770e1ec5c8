"""The Python client's socket against a server of a few lines that speaks RFC 6455 by hand."""

import base64
import hashlib
import socket
import struct
import threading

import pytest
from bellhop_client.transport import Alive, Closed, Text, dial, refusal

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PATIENCE = 10.0


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A frame as a server sends it: not masked."""
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | opcode])
    head += bytes([size]) if size < 126 else bytes([126]) + struct.pack("!H", size)
    return head + payload


class Peer:
    """The server's side of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")

    def handshake(self) -> dict[str, str]:
        """Read the request, answer 101."""
        headers = {}
        self.file.readline()
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        accept = base64.b64encode(
            hashlib.sha1(headers["sec-websocket-key"].encode() + GUID, usedforsecurity=False).digest()
        )
        self.sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        return headers

    def take(self) -> tuple[int, bytes]:
        """The next frame from the client, unmasked."""
        first, second = self.file.read(2)
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(self.file.read(2), "big")
        mask = self.file.read(4)
        return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.file.read(size)))


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        yield server


@pytest.fixture
def connected(listening):
    """(transport, peer, headers of the request)"""
    found = {}

    def accept():
        sock, _ = listening.accept()
        sock.settimeout(PATIENCE)
        found["peer"] = Peer(sock)
        found["headers"] = found["peer"].handshake()

    thread = threading.Thread(target=accept)
    thread.start()
    transport = dial(f"ws://127.0.0.1:{listening.getsockname()[1]}/ws", ["Authorization: Bearer tok"])
    thread.join(PATIENCE)
    yield transport, found["peer"], found["headers"]
    transport.close(1000, "")
    found["peer"].file.close()
    found["peer"].sock.close()


def test_handshake_carries_the_token_and_no_origin(connected):
    _, _, headers = connected

    assert headers["authorization"] == "Bearer tok"
    assert "origin" not in headers


def test_messages_go_both_ways(connected):
    transport, peer, _ = connected

    transport.send("grüße")
    peer.sock.sendall(frame(1, "zurück".encode()))

    assert peer.take() == (1, "grüße".encode())
    assert transport.receive(PATIENCE) == Text("zurück")


def test_message_in_pieces_is_put_together(connected):
    transport, peer, _ = connected

    peer.sock.sendall(frame(1, b'{"a":', fin=False) + frame(9, b"x") + frame(0, b"1}"))

    assert [transport.receive(PATIENCE) for _ in range(2)] == [Alive(), Text('{"a":1}')]


def test_ping_is_answered_and_counts_as_life(connected):
    transport, peer, _ = connected

    peer.sock.sendall(frame(9, b"beat"))

    assert transport.receive(PATIENCE) == Alive()
    assert peer.take() == (10, b"beat")


def test_close_is_answered_and_told_with_code_and_reason(connected):
    transport, peer, _ = connected

    peer.sock.sendall(frame(8, struct.pack("!H", 4012) + b"going away"))

    assert transport.receive(PATIENCE) == Closed(4012, "going away")
    assert peer.take()[0] == 8


def test_close_without_a_code_is_1005(connected):
    transport, peer, _ = connected

    peer.sock.sendall(frame(8))

    assert transport.receive(PATIENCE) == Closed(1005)


def test_end_without_a_close_frame_is_1006(connected):
    transport, peer, _ = connected

    peer.sock.shutdown(socket.SHUT_RDWR)

    assert transport.receive(PATIENCE).code == 1006


def test_our_close_carries_code_and_reason(connected):
    transport, peer, _ = connected

    transport.close(4010, "gap on me")

    assert peer.take() == (8, struct.pack("!H", 4010) + b"gap on me")
    transport.send("too late")
    transport.close(1000, "twice")


def test_waiting_ends_in_time_and_once_by_a_wake(connected):
    transport, peer, _ = connected
    assert transport.receive(0.0) is None

    threading.Timer(0.01, transport.wake).start()
    assert transport.receive(PATIENCE) is None
    threading.Timer(0.05, peer.sock.sendall, [frame(1, b"next")]).start()

    assert transport.receive(PATIENCE) == Text("next")


def test_text_that_is_not_utf8_ends_the_connection(connected):
    transport, peer, _ = connected

    peer.sock.sendall(frame(1, b"\xff\xfe"))

    assert transport.receive(PATIENCE).code == 1006


def test_nobody_listening_is_1006(listening):
    port = listening.getsockname()[1]
    listening.close()

    assert dial(f"ws://127.0.0.1:{port}/ws", []).code == 1006


def test_refusal_before_the_upgrade_is_read(listening):
    answer = b'{"error":{"code":"unauthorized","message":"no"}}'

    def refuse():
        sock, _ = listening.accept()
        with sock, sock.makefile("rb") as file:
            while file.readline().strip():
                pass
            size = str(len(answer)).encode()
            sock.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: " + size + b"\r\n\r\n" + answer)

    thread = threading.Thread(target=refuse)
    thread.start()
    closed = dial(f"ws://127.0.0.1:{listening.getsockname()[1]}/ws", [])
    thread.join(PATIENCE)

    assert closed == Closed(4001, "401 unauthorized: no")


@pytest.mark.parametrize(
    ("status", "headers", "body", "closed"),
    [
        (401, {}, b"", Closed(4001, "refused with status 401")),
        (
            401,
            {},
            b'{"error":{"code":"token_expired","message":"it has"}}',
            Closed(4011, "401 token_expired: it has"),
        ),
        (403, {}, b"[]", Closed(4003, "refused with status 403")),
        (429, {"retry-after": "7"}, b"", Closed(4029, "refused with status 429", 7.0)),
        (503, {"retry-after": "soon"}, b"<html>", Closed(1006, "refused with status 503")),
    ],
)
def test_refusals_mean_what_the_close_codes_mean(status, headers, body, closed):
    assert refusal(status, headers, body) == closed
