"""The api on the wire: bodies of every framing, requests that no client of good will sends, and an end in order."""

import http.client
import json
import socket
import time

import pytest

from shared.http_headers import DATA
from tests.integration.api.support import Api, until

GOOD = json.dumps({"to": {"users": ["ana"]}, "event": "order.paid"}).encode()


def head(
    api: Api, *lines: str, method: str = "POST", path: str = "/v1/notifications", auth: str = ""
) -> bytes:
    fields = [f"{method} {path} HTTP/1.1", "Host: test", f"Authorization: Bearer {auth or api.key}"]
    return "\r\n".join([*fields, "Content-Type: application/json", *lines, "", ""]).encode()


def statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


def error_code(received: bytes) -> str:
    return json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"]


def test_a_chunked_body_is_taken(api):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (GOOD[:7], GOOD[7:])) + b"0\r\n\r\n"
    received = api.raw(head(api, "Transfer-Encoding: chunked", "Connection: close"), chunks)

    assert statuses(received) == [202]


def test_a_chunked_body_without_end_is_refused_at_the_limit(api):
    sent = 0
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall(head(api, "Transfer-Encoding: chunked"))
        try:
            for _ in range(1000):
                connection.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")
                sent += 65_536
        except OSError:
            pass
        assert sent < 32_000_000
    assert api.call("GET", "/health", auth=None).status == 200


def test_an_announced_body_above_the_limit_is_refused_before_it_is_read(api):
    received = api.raw(head(api, "Content-Length: 100000000000", "Connection: close"), b"x", wait=2)

    assert statuses(received) == [413]
    assert error_code(received) == "body_too_large"


def test_a_body_of_nearly_the_limit_is_taken(api):
    body = {"to": {"users": ["ana"]}, "event": "e", "data": {"x": "y" * 262_000}}

    assert api.post("/v1/notifications", body).status == 202


def test_a_body_shorter_than_announced_is_refused(api):
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall(head(api, f"Content-Length: {len(GOOD) + 5}") + GOOD)
        connection.shutdown(socket.SHUT_WR)
        received = connection.recv(65_536)

    assert statuses(received) == [400]


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"\r\n", b"-1\r\n", b";x\r\n"])
def test_a_chunk_that_is_none_is_refused_and_ends_the_connection(api, chunk):
    received = api.raw(head(api, "Transfer-Encoding: chunked"), chunk, head(api, "Content-Length: 0"), wait=3)

    assert statuses(received) == [400]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /v1/notifications HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /v1/notifications HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        b"POST /v1/notifications HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n",
        b"GET /health HTTP/1.1\nHost: a\n\n",
        b"GET /health\r\n",
        b"GET /health HTTP/9.9\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 10_000 + b"\r\n\r\n",
    ],
)
def test_a_head_with_two_meanings_is_refused_and_nothing_after_it_is_read(api, request_bytes):
    received = api.raw(request_bytes, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", wait=3)

    assert statuses(received) == [400]
    assert error_code(received) == "malformed_body"
    assert b"Connection: close" in received


def test_a_line_that_does_not_end_is_refused(api):
    received = api.raw(b"GET /" + b"x" * 20_000, wait=3)

    assert statuses(received) == [414]
    assert error_code(received) == "target_too_long"


def test_a_refusal_before_any_route_has_the_headers_of_every_other_answer(api):
    received = api.raw(b"GET /health HTTP/1.1\r\n\r\n", wait=3)

    head, _, body = received.partition(b"\r\n\r\n")
    told = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert dict(DATA).items() <= told.items()
    assert told["X-Request-Id"] == json.loads(body)["error"]["request_id"] != ""


def test_requests_one_after_the_other_on_one_connection_are_answered_in_order(api):
    one = head(api, f"Content-Length: {len(GOOD)}") + GOOD
    bad = head(api, "Content-Length: 2") + b"[]"
    last = head(api, "Connection: close", method="GET", path="/health")
    received = api.raw(one + bad + one + last)

    assert statuses(received) == [202, 422, 202, 200]


def test_a_body_that_nobody_reads_does_not_become_the_next_request(api):
    refused = head(api, f"Content-Length: {len(GOOD)}", path="/nope") + GOOD
    received = api.raw(refused + head(api, "Connection: close", method="GET", path="/health"))

    assert statuses(received) == [404, 200]


def test_a_caller_that_asks_before_it_sends_its_body_is_told_to_go_on_or_not_to(api):
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall(
            head(api, f"Content-Length: {len(GOOD)}", "Expect: 100-continue", "Connection: close")
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(GOOD)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 202 ")

    begun = time.monotonic()
    received = api.raw(head(api, "Content-Length: 9000000", "Expect: 100-continue"))
    assert statuses(received) == [413]
    assert time.monotonic() - begun < 5


def test_an_older_client_is_served_and_left(api):
    received = api.raw(b"GET /health HTTP/1.0\r\n\r\n")

    assert statuses(received) == [200]


def test_silent_connections_hold_up_nobody(api):
    silent = [socket.create_connection(("127.0.0.1", api.port)) for _ in range(200)]
    for number, connection in enumerate(silent):
        connection.sendall(head(api, "Content-Length: 50")[: number % 120])
    answer = api.post("/v1/notifications", json.loads(GOOD))
    for connection in silent:
        connection.close()

    assert answer.status == 202
    assert answer.seconds < 2


def test_a_user_id_with_a_slash_is_one_user(api):
    assert api.call("PUT", "/v1/users/team%2Fana", {"locale": "de"}).json["id"] == "team/ana"
    assert api.call("GET", "/v1/users/team%2Fana").json["locale"] == "de"
    assert api.call("GET", "/v1/users/team/ana").status == 404


def test_a_path_that_is_not_utf8_names_nobody(api):
    assert api.call("PUT", "/v1/users/%EF%BF%BD", {"locale": "de"}).status == 201
    for path in ("/v1/users/%FF", "/v1/users/%FF%2F", "/v1/users/%ED%A0%80"):
        assert api.call("GET", path).status == 404
        assert api.call("DELETE", path).status == 404
    assert api.call("GET", "/v1/users/%EF%BF%BD").json["id"] == "\ufffd"


def test_the_console_is_served_with_the_client_it_loads(api):
    assert api.call("GET", "/console", auth=None).headers["content-type"] == "text/html; charset=utf-8"
    client = api.call("GET", "/console/bellhop.js", auth=None)
    assert (client.status, client.headers["content-type"]) == (200, "text/javascript; charset=utf-8")


def test_the_development_sign_in_works_from_here(api):
    answer = api.post("/v1/dev/sign-in", {"user": "ana"}, auth=None)

    sent = api.post("/v1/notifications", json.loads(GOOD), auth=answer.json["token"])
    assert (answer.status, sent.status) == (200, 202)


def test_it_ends_in_order_and_soon_although_connections_are_kept(start_api, redis_url):
    api = start_api(redis_url)
    kept = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    kept.request("GET", "/health")
    assert kept.getresponse().read()

    assert api.stop() < 8
    kept.close()


def test_a_request_under_way_is_answered_before_the_end(start_api, redis_url):
    api = start_api(redis_url)
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall(head(api, f"Content-Length: {len(GOOD)}", "Expect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # so the request is inside
        api.terminate()
        until(lambda: not listens(api), seconds=5)
        connection.sendall(GOOD)
        received = connection.recv(65_536)

    assert statuses(received) == [202]
    assert b"Connection: close" in received
    until(api.ended, seconds=10)


def listens(api: Api) -> bool:
    try:
        socket.create_connection(("127.0.0.1", api.port), timeout=1).close()
    except OSError:
        return False
    return True
