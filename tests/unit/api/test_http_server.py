"""api.http_server: connections that fall silent or trickle are given up, and nobody else notices."""

import time
from collections.abc import Iterator

import gevent
import pytest
from gevent import socket

from api import http_server
from api.http_server import ApiHandler, ApiServer

GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"


def application(environ, start_response):
    """Answers with the length of the body, or with what went wrong while it was read."""
    try:
        body = environ["wsgi.input"].read()
        answer = b"x" * 5_000_000 if environ["PATH_INFO"] == "/large" else str(len(body)).encode()
    except OSError as error:
        answer = str(error).encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    for name, seconds in {
        "IDLE_SECONDS": 0.4,
        "STALL_SECONDS": 0.2,
        "HEAD_SECONDS": 0.3,
        "BODY_SECONDS": 0.3,
    }.items():
        monkeypatch.setattr(http_server, name, seconds)
    running = ApiServer(("127.0.0.1", 0), application, handler_class=ApiHandler, log=None, error_log=None)
    running.start()
    yield running
    running.stop(timeout=1)


def connect(server: ApiServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), timeout=5)


def rest(connection: socket.socket) -> bytes:
    """All that comes until the end."""
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    return received


def trickle(connection: socket.socket, data: bytes, *, every: float) -> None:
    try:
        for number in range(len(data)):
            connection.sendall(data[number : number + 1])
            gevent.sleep(every)
    except OSError:
        pass  # the other side has given up


def test_a_request_is_answered_and_its_connection_kept_until_it_has_been_idle_for_too_long(server):
    connection = connect(server)
    connection.sendall(GET)
    begun = time.monotonic()
    received = rest(connection)

    assert received.endswith(b"\r\n\r\n0")
    assert 0.3 < time.monotonic() - begun < 2


@pytest.mark.parametrize("sent", [b"G", b"GET /x HTTP/1.1\r\n", b"GET /x HTTP/1.1\r\nHost: h\r\nA: "])
def test_a_head_that_stops_is_given_up(server, sent):
    connection = connect(server)
    connection.sendall(sent)
    begun = time.monotonic()
    rest(connection)

    assert time.monotonic() - begun < 2


def test_a_head_that_trickles_is_given_up(server):
    connection = connect(server)
    sending = gevent.spawn(trickle, connection, GET * 20, every=0.05)
    begun = time.monotonic()
    received = rest(connection)
    sending.kill()

    assert received == b""
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_a_body_that_trickles_is_given_up_and_ends_the_connection(server, framing):
    connection = connect(server)
    connection.sendall(b"POST /x HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n3e8\r\n")
    sending = gevent.spawn(trickle, connection, b"x" * 1000, every=0.05)
    begun = time.monotonic()
    received = rest(connection)
    sending.kill()

    assert received.count(b"HTTP/1.1 ") == 1
    assert received.endswith(b"the body did not arrive")
    assert time.monotonic() - begun < 2


def test_a_caller_that_does_not_read_its_answer_is_given_up(server):
    connection = connect(server)
    connection.sendall(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
    gevent.sleep(0.8)  # what is tested is that nothing is read for longer than the deadline
    received = rest(connection)

    assert len(received) < 5_000_000


def test_a_body_that_comes_in_parts_is_read_whole(server):
    connection = connect(server)
    connection.sendall(b"POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nab")
    gevent.spawn_later(0.05, connection.sendall, b"cd")

    assert rest(connection).endswith(b"\r\n\r\n4")


def test_closing_ends_idle_connections_at_once_and_lets_the_others_finish(server):
    idle, busy = connect(server), connect(server)
    idle.sendall(GET)
    assert idle.recv(65_536).endswith(b"\r\n\r\n0")
    busy.sendall(b"POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert busy.recv(100).startswith(b"HTTP/1.1 100 ")
    server.close()

    assert rest(idle) == b""
    busy.sendall(b"ab")
    received = rest(busy)
    assert received.endswith(b"\r\n\r\n2")
    assert b"Connection: close" in received
