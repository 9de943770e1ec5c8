"""What nginx writes: no credential, in whichever of the ways in it came, and whatever went wrong with the request."""

import re
import socket
from collections.abc import Iterator

import pytest

from launcher.ports import free_port
from launcher.waiting import wait_for
from tests.deploy.conftest import Behind
from tests.deploy.edge import Edge, Places

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

MARK = "S3cretM4rk"
UPGRADE = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {'A' * 22}==",
]


def requests() -> Iterator[list[str]]:
    """Heads with the mark in each place where a credential, or a part of one, can stand."""
    for path in ("/ws", "/socket", "/", "/socket.io/", "/v1/inbox", "/flower/"):
        for name in ("token", "ticket", "session", "sid", "access_token", "apiKey"):
            yield [f"GET {path}?EIO=4&transport=polling&{name}={MARK} HTTP/1.1", "Host: x"]
        yield [f"GET {path}?token={MARK} HTTP/1.1", "Host: x", *UPGRADE]
        yield [f"GET {path}%3Ftoken={MARK} HTTP/1.1", "Host: x"]
        yield [f"GET {path};token={MARK} HTTP/1.1", "Host: x"]
    for field in (
        f"Authorization: Bearer {MARK}",
        f"Cookie: auth_token={MARK}; __Host-bellhop_refresh={MARK}",
        f"Sec-WebSocket-Protocol: bellhop.v1, bearer.{MARK}",
        f"Referer: https://app.example.com/?token={MARK}",
        f"User-Agent: {MARK}",
        f"X-Api-Key: {MARK}",
        f"Idempotency-Key: {MARK}",
    ):
        yield ["GET /v1/inbox HTTP/1.1", "Host: x", field]
        yield ["GET /ws HTTP/1.1", "Host: x", *UPGRADE, field]
    yield [f"GET /ws?token={MARK} HTTP/1.1"]  # no Host
    yield [f"GET /ws?token={MARK} HTTP/9.9", "Host: x"]
    yield [f"GET /ws?token={MARK} {MARK} HTTP/1.1", "Host: x"]
    yield [f"GET /ws?token={MARK} HTTP/1.1", "Host: x", f"X-Long: {'x' * 9000}"]
    yield [f"GET /ws?token={MARK}{'x' * 9000} HTTP/1.1", "Host: x"]
    yield [f"POST /v1/notifications?key={MARK} HTTP/1.1", "Host: x", "Content-Length: 9000000"]
    yield [f"GET /../..?token={MARK} HTTP/1.1", "Host: x"]


def send(port: int, head: list[str]) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        connection.recv(65536)


def test_no_credential_is_in_its_log_with_all_up_and_with_all_down(behind: Behind):
    heads = list(requests())
    down = Places((free_port(), free_port()), (free_port(), free_port()), free_port())
    for places in (behind.places, down):
        with Edge(places) as edge:
            for head in heads:
                send(edge.port, head)
            # Some of what cannot be read at all gets no line.
            assert wait_for(lambda edge=edge: len(edge.lines()) >= len(heads) - 5, seconds=10)
            assert MARK not in edge.log
            assert "/v1/inbox" in edge.log


def test_its_error_log_would_have_told(behind: Behind):
    """The negative control: with the level that everybody uses, a dead node puts the token into the log."""
    down = Places(behind.places.apis, (free_port(), free_port()), behind.places.flower)
    with Edge(down, edits={"emerg": "error"}) as edge:
        send(edge.port, [f"GET /ws?token={MARK} HTTP/1.1", "Host: x", *UPGRADE])
        assert wait_for(lambda: MARK in edge.log, seconds=10)
        assert re.search(rf"connect\(\) failed .*token={MARK}", edge.log)
