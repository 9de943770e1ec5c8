"""Socket.IO by polling, packet by packet: what is refused in which form, and that nothing grows without a bound."""

import json
import re
import socket
import threading
import time
from contextlib import closing

import pytest

from tests.integration.wsnode.client import wait_until
from tests.integration.wsnode.poller import Poller, request

PAGE = "http://localhost:3000"


@pytest.fixture
def known(backend):
    """Wait until the node follows a user's streams."""

    def wait(user: str) -> None:
        wait_until(lambda: backend.client.hget(f"stream:main:{user}", "rev") is not None)

    return wait


@pytest.mark.parametrize(
    ("method", "query", "status", "code", "message"),
    [
        ("GET", "EIO=3&transport=polling", 400, 5, "Unsupported protocol version"),
        ("GET", "EIO=4&transport=tin", 400, 0, "Transport unknown"),
        ("GET", "EIO=4&transport=polling&sid=nobody", 400, 1, "Session ID unknown"),
        ("POST", "EIO=4&transport=polling&sid=nobody", 400, 1, "Session ID unknown"),
        ("POST", "EIO=4&transport=polling", 400, 2, "Bad handshake method"),
        ("GET", "EIO=4&transport=websocket", 400, 3, None),
        ("GET", "EIO=4&transport=polling&j=0", 400, 3, None),
        ("PUT", "EIO=4&transport=polling&sid=nobody", 405, 3, None),
    ],
)
def test_engine_io_says_no_in_its_own_words(node, method, query, status, code, message):
    answer = request(node.port, method, query)
    assert answer.status == status
    assert answer.json["code"] == code
    assert message is None or answer.json["message"] == message


def test_a_session_by_polling_from_the_first_packet_to_the_last(node, backend, user, known):
    client = Poller(node.port)
    assert client.opened.headers["content-type"] == "text/plain; charset=UTF-8"
    assert client.opened.headers["cache-control"] == "no-store"
    assert client.opened.headers["x-request-id"]
    assert client.opening["upgrades"] == ["websocket"]
    assert client.opening["maxPayload"] == 65536
    assert client.sid.startswith(f"{node.port}."), "the name of the node leads a proxy"
    assert client.join(token=node.token(user)).startswith('40{"sid":"')
    known(user)
    backend.publish(user)
    assert client.wait("42").startswith('42["new_notification",{"id":"')
    assert client.post("41").body == b"ok"
    wait_until(client.ended)
    wait_until(lambda: not backend.client.hget(f"stream:main:{user}", "nodes"))


def test_what_is_fetched_counts_when_the_next_poll_comes_and_not_before(node, backend, user, known):
    client = Poller(node.port)
    client.join(token=node.token(user))
    known(user)
    backend.publish(user)
    client.wait("42")
    with pytest.raises(TimeoutError):
        client.poll(timeout=0.2)  # who polls again has read the answer before
    wait_until(lambda: backend.client.hget("acks", f"main {user}") == b"1 0")


@pytest.mark.parametrize("last", ["3", "41", '42["nobody knows this"]', "not a packet"])
def test_a_post_does_not_say_that_the_answer_before_it_was_read(node, backend, user, known, last):
    client = Poller(node.port)
    client.join(token=node.token(user))
    known(user)
    backend.publish(user)
    client.wait("42")
    client.post(last)  # it may have left before the answer came; then the client dies
    again = Poller(node.port)
    again.join(token=node.token(user))
    assert again.wait("42")


def test_an_answer_has_the_deadline_of_writes_and_not_that_of_handshakes(
    start_node, redis_of_module, backend, user
):
    node = start_node(redis_of_module.url, handshake_deadline="1", outbox_bytes="8000000")
    client = Poller(node.port)
    client.join(token=node.token(user))
    wait_until(lambda: backend.client.hget(f"stream:main:{user}", "rev") is not None)
    for _ in range(6):
        backend.publish(user, count=20, size=50_000)  # far more than the kernel takes at once
    with closing(socket.socket()) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        slow.settimeout(5)
        slow.connect(("127.0.0.1", node.port))
        slow.sendall(
            f"GET /socket.io/?{client.query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        time.sleep(2)  # the line is stuck for longer than a handshake may take, and shorter than a write may
        got = b""
        while data := slow.recv(65_536):
            got += data

    head, _, body = got.partition(b"\r\n\r\n")
    assert len(body) == int(re.search(rb"Content-Length: (\d+)", head)[1]) > 5_000_000
    assert client.post("3").body == b"ok", "the session lives"


def test_two_polls_at_once_end_the_session(node, user):
    client = Poller(node.port)
    client.join(token=node.token(user))
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(client.poll()))
    waiting.start()
    found = None
    while found is None or found.status == 200:
        found = client.poll(timeout=0.5) if waiting.is_alive() else client.poll()
    waiting.join()
    assert found.status == 400
    assert client.ended()


@pytest.mark.parametrize("announced", [True, False])
def test_a_huge_post_is_refused_and_ends_the_session(node, user, announced):
    client = Poller(node.port)
    client.join(token=node.token(user))
    if announced:
        answer = client.post(body=b"4" * 65_537)
        assert answer.status == 413
        assert answer.json["error"]["code"] == "body_too_large"
    else:
        answer = client.post(body=b"0\r\n\r\n", headers={"Transfer-Encoding": "chunked"})
        assert answer.status == 400
    assert client.ended()


def test_ten_thousand_packets_in_a_payload_are_too_many(node, user):
    client = Poller(node.port)
    client.join(token=node.token(user))
    answer = client.post(*["3"] * 10_000)
    assert answer.status == 400
    assert answer.json["code"] == 3
    assert client.ended()
    assert node.ready()


def test_a_client_that_does_not_poll_is_cut_at_the_bound_and_hurts_nobody(node, backend, user, known):
    client = Poller(node.port)
    client.join(token=node.token(user))
    known(user)
    before = node.metric("bellhop_slow_disconnects_total")
    for _ in range(5):
        backend.publish(user, count=10, size=10_000)
    wait_until(lambda: node.metric("bellhop_slow_disconnects_total") == before + 1)
    wait_until(client.ended)


def test_who_does_not_sign_in_in_time_is_let_go(node):
    client = Poller(node.port)
    wait_until(client.ended)


def test_a_namespace_that_is_not_here_is_refused_and_the_client_stays(node, user):
    client = Poller(node.port)
    client.post("40/admin,{}")
    assert client.wait("44/admin,") == '44/admin,{"message":"Invalid namespace"}'
    assert client.join(token=node.token(user)).startswith("40")


def test_binary_is_refused_politely(node, user):
    client = Poller(node.port)
    client.join(token=node.token(user))
    client.post('451-7["file",{"_placeholder":true,"num":0}]', "bAAEC", '428["nobody knows this"]')
    answer = client.wait("437")
    assert json.loads(answer[3:])[0]["success"] is False


def test_pages_of_other_origins_are_let_in_by_name_only(node, user):
    refused = request(
        node.port, "GET", "EIO=4&transport=polling", headers={"Origin": "https://elsewhere.example"}
    )
    assert (refused.status, refused.json["code"]) == (403, 4)
    assert "access-control-allow-origin" not in refused.headers

    client = Poller(node.port, headers={"Origin": PAGE})
    for answer in (
        client.opened,
        client.post("40{}"),
        request(node.port, "GET", "", headers={"Origin": PAGE}),
    ):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "Origin"
    preflight = request(node.port, "OPTIONS", "EIO=4&transport=polling", headers={"Origin": PAGE})
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-methods"] == "GET, POST"
    assert "Authorization" in preflight.headers["access-control-allow-headers"]


def test_no_secret_of_a_session_is_in_the_log(node, user):
    token = node.token(user)
    client = Poller(node.port, f"&token={token}")
    client.join()
    client.post("nonsense")
    assert "connection_opened" in node.log()
    assert client.sid not in node.log()
    assert token not in node.log()
