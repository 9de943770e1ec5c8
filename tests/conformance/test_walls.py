"""Who gets in: bounds by user, by address behind proxies and in total, and the deadlines before the upgrade."""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from launcher.ports import free_port
from launcher.spawn import end, spawn
from launcher.waiting import wait_for
from tests.conformance.wire import bytes_to_the_end
from tests.integration.wsnode.client import Client, Refused
from tests.integration.wsnode.conftest import ROOT, NodeProcess

_hosts = count(1)


@pytest.fixture
def address() -> str:
    """An address nobody else has."""
    return f"198.51.100.{next(_hosts)}"


def from_address(node: NodeProcess, address: str, user: str) -> Client:
    return Client(node.port, token=node.token(user), headers={"X-Forwarded-For": address})


def refusal(node: NodeProcess, **options) -> tuple[int, str, str]:
    refused = node.refused(**options)
    return refused.status, refused.error["code"], refused.headers.get("retry-after", "")


def test_a_user_with_too_many_connections_gets_429_and_a_place_when_one_ends(node, backend):
    with ExitStack() as stack:
        clients = [stack.enter_context(node.connect("many")) for _ in range(3)]
        assert refusal(node, token=node.token("many")) == (429, "too_many_requests", "2")
        clients[0].socket.close()
        assert wait_for(lambda: connects(node, "many"), seconds=5, interval=0.05)


def connects(node: NodeProcess, user: str) -> bool:
    try:
        node.connect(user).socket.close()
    except Refused:
        return False
    return True


def test_an_address_with_too_many_connections_gets_429_and_others_do_not(node, backend, address):
    with ExitStack() as stack:
        for number in range(3):
            stack.enter_context(from_address(node, address, f"behind {number}"))
        headers = {"X-Forwarded-For": f"1.1.1.1, {address}, 127.0.0.1"}
        said = refusal(node, token=node.token("behind 4"), headers=headers)
        assert said == (429, "too_many_requests", "2")
        stack.enter_context(from_address(node, f"{address}, 203.0.113.1", "other"))


def test_an_address_with_too_many_handshakes_gets_429_before_its_credential_is_looked_at(
    node, backend, address
):
    headers = {"X-Forwarded-For": address}
    statuses = [node.refused(token="nonsense", headers=headers).status for _ in range(22)]
    assert statuses[:20] == [401] * 20
    assert statuses[-1] == 429


def test_connections_that_have_not_signed_in_are_bounded_and_leave_room_for_those_who_have(node, backend):
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(Client(node.port))
        assert refusal(node) == (503, "unavailable", "2")
        stack.enter_context(node.connect("signed in"))


def test_a_full_node_says_503(start_node, redis_server, backend):
    node = start_node(redis_server.url, connections_max="2", handshake_rate="1")
    with ExitStack() as stack:
        for user in ("a", "b"):
            stack.enter_context(node.connect(user))
        assert refusal(node, token=node.token("c")) == (503, "unavailable", "2")
        said = {refusal(node, token="nonsense") for _ in range(6)}
    assert said == {(503, "unavailable", "2")}, "too many at once, or full: never a look at the credential"


@pytest.mark.parametrize(
    "origin", ["https://app.example.evil", "https://app.example:443", "http://app.example", "https://null"]
)
def test_only_an_origin_of_the_list_letter_by_letter_may_connect(node, backend, origin):
    token = node.token("page")
    Client(node.port, token=token, headers={"Origin": "https://app.example"}).socket.close()
    assert refusal(node, token=token, headers={"Origin": origin})[:2] == (403, "forbidden")


@pytest.mark.parametrize("said", [b"", b"GET /ws HTTP/1.1\r\n", b"GET /ws HTTP/1.1\r\nHost: a\r\nX: "])
def test_a_request_that_does_not_come_to_its_end_is_hung_up_on(node, said):
    with socket.create_connection(("127.0.0.1", node.port), timeout=8) as slow:
        began = time.monotonic()
        slow.sendall(said)
        assert slow.recv(1) == b""
    assert 0.9 < time.monotonic() - began < 6


def test_a_byte_now_and_then_does_not_make_the_deadline_later(node):
    """Line and headers have one deadline together."""
    with socket.create_connection(("127.0.0.1", node.port), timeout=8) as slow:
        began = time.monotonic()
        slow.settimeout(0.2)
        ended = False
        for byte in b"GET /ws HTTP/1.1\r\nHost: abcdefghijklmnopqrstuvwxyz\r\n":
            with contextlib.suppress(TimeoutError, BrokenPipeError):
                slow.send(bytes([byte]))
                ended = slow.recv(1) == b""
            if ended:
                break
    assert ended
    assert time.monotonic() - began < 6


@pytest.mark.parametrize(
    "body", [b"Content-Length: 9223372036854775807\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"]
)
@pytest.mark.parametrize("path", [b"/health", b"/ws"])
def test_a_body_is_refused_and_not_waited_for(node, body, path):
    with socket.create_connection(("127.0.0.1", node.port), timeout=1.5) as slow:
        slow.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: a\r\n" + body)
        answer = slow.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Length: 0\r\nContent-Length: 5",
        b"Transfer-Encoding : chunked\r\nContent-Length: 0",
        b"Host: b",
        b"X: a\r\n b",
    ],
)
def test_what_a_proxy_may_have_read_otherwise_is_refused_and_ends_the_connection(node, field):
    with socket.create_connection(("127.0.0.1", node.port), timeout=8) as smuggler:
        smuggler.sendall(
            b"GET /health HTTP/1.1\r\nHost: a\r\n"
            + field
            + b"\r\n\r\n"
            + b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        received = b""
        while part := smuggler.recv(65_536):
            received += part
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1


def test_headers_over_16_kib_are_400_and_a_line_over_8_kib_414(node):
    for request, status in (
        (b"GET /ws HTTP/1.1\r\n" + b"X: %s\r\n" % (b"a" * 1000) * 17, b"400"),
        (b"GET /" + b"a" * 9000, b"414"),
    ):
        with socket.create_connection(("127.0.0.1", node.port), timeout=5) as big:
            big.sendall(request)
            assert big.recv(65_536).split()[1] == status


@pytest.fixture
def unix_node(tmp_path: Path, redis_server, backend) -> Iterator[tuple[NodeProcess, Path]]:
    """A node behind a Unix socket."""
    node = NodeProcess(tmp_path, redis_server.url, trusted_proxies="unix", connections_per_address="1")
    path = tmp_path / "n"
    gunicorn = str(Path(sys.executable).parent / "gunicorn")
    command = [gunicorn, "wsnode.app:app", "--config", "wsnode/gunicorn_conf.py", "--bind", f"unix:{path}"]
    command.append("--no-control-socket")
    with node.log_path.open("ab") as log:
        child = spawn(command, env=node.env, cwd=ROOT, output=log)
    assert wait_for(path.exists, seconds=15, interval=0.05), node.log()
    yield node, path
    end(child, patience=20)


def relay(path: Path) -> int:
    """A TCP port before a Unix socket, as a reverse proxy has it."""
    listener = socket.create_server(("127.0.0.1", free_port()))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        while True:
            client = listener.accept()[0]
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(str(path))
            for pair in ((client, upstream), (upstream, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def test_behind_a_unix_socket_all_is_the_same_and_the_proxy_names_the_address(unix_node, backend):
    node, path = unix_node
    port, token = relay(path), node.token("unix")

    def through(address: str) -> Client:
        return Client(port, token=token, headers={"X-Forwarded-For": address})

    def ready() -> bool:
        with contextlib.suppress(Refused, OSError):
            through("203.0.113.200").socket.close()
            return True
        return False

    assert wait_for(ready, seconds=15, interval=0.1), node.log()
    with through("203.0.113.1") as client:
        client.online()
        with pytest.raises(Refused) as refused:
            through("203.0.113.1")
        assert refused.value.status == 429
        client.raw(b"\x81\x02{}")
        assert bytes_to_the_end(client)[:4] == b"\x88\x15\x03\xea"
