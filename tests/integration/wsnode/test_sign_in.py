"""Getting in: every way, and every refusal, before the upgrade where the credential is already there."""

import json
import socket
import time

import pytest

from tests.integration.wsnode.client import Client, frame


def test_by_header(node, backend, user):
    with Client(node.port, token=node.token(user)) as client:
        assert client.wait("welcome")["user"] == user


def test_by_subprotocol_of_which_only_ours_is_echoed(node, backend, user):
    offered = f"bellhop.v1, bearer.{node.token(user)}"
    with Client(node.port, headers={"Sec-WebSocket-Protocol": offered}) as client:
        assert client.headers["sec-websocket-protocol"] == "bellhop.v1"
        assert client.wait("welcome")["user"] == user


def test_by_query_in_development(node, backend, user):
    with Client(node.port, path=f"/ws?token={node.token(user)}") as client:
        assert client.wait("welcome")["user"] == user


def test_by_the_first_message_with_since(node, backend, user):
    with Client(node.port) as client:
        client.send(type="auth", token=node.token(user), since={"epoch": "other", "me": 3})
        assert client.online()["recovered"] is False


def test_by_a_first_message_that_came_with_the_handshake(node, backend, user):
    """What was read ahead of the upgrade is not lost, even when it is cut in the middle."""
    data = frame(json.dumps({"type": "auth", "token": node.token(user)}).encode())
    with Client(node.port, after=data[:20]) as client:
        client.raw(data[20:])
        assert client.wait("welcome")["user"] == user


def test_user_ids_of_any_script_and_numbers(node, backend):
    with Client(node.port, token=node.token("Zoë 用户")) as client:
        assert client.wait("welcome")["user"] == "Zoë 用户"


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"token": "nonsense"}, 401, "token_invalid"),
        ({"headers": {"Authorization": "Basic YTpi"}}, 401, "unauthenticated"),
        ({"headers": {"Sec-WebSocket-Protocol": "bellhop.v1, bearer.x"}}, 401, "token_invalid"),
        ({"path": "/ws?token=x"}, 401, "token_invalid"),
        ({"headers": {"Origin": "https://evil.example"}}, 403, "forbidden"),
        ({"path": "/other"}, 404, "not_found"),
        ({"headers": {"Sec-WebSocket-Version": "8"}}, 426, "upgrade_required"),
        ({"headers": {"Sec-WebSocket-Key": "abc"}}, 400, "bad_handshake"),
        ({"headers": {"Connection": "close"}}, 400, "bad_handshake"),
    ],
)
def test_refusals_are_http_answers_in_the_one_error_format(node, options, status, code):
    refused = node.refused(**options)
    assert (refused.status, refused.error["code"]) == (status, code)
    assert set(refused.error) >= {"code", "message", "retryable", "request_id"}
    assert refused.headers["content-type"] == "application/json"


def test_an_expired_token_is_401_and_says_so(node):
    refused = node.refused(token=node.token("ana", ttl=-60))
    assert (refused.status, refused.error["code"]) == (401, "token_expired")
    assert refused.headers["www-authenticate"].startswith("Bearer")


def test_a_since_that_is_no_number_is_422(node):
    assert node.refused(token=node.token("ana"), path="/ws?epoch=e&me=x").status == 422


def test_the_request_id_of_the_caller_is_returned(node):
    refused = node.refused(token="x", headers={"X-Request-Id": "mine-1"})
    assert (refused.error["request_id"], refused.headers["x-request-id"]) == ("mine-1", "mine-1")


@pytest.mark.parametrize(
    "first",
    [
        {"type": "ping"},
        {"type": "ack", "me": 1},
        {"type": "auth"},
        {"type": "auth", "token": "nonsense"},
        {"type": "unknown"},
    ],
)
def test_everything_before_a_good_auth_ends_the_connection_for_good(node, first):
    with Client(node.port) as client:
        client.send(**first)
        bye = client.wait("bye")
        assert (bye["code"], bye["reconnect"]) == (4001, False)
        assert client.closed().code == 4001


def test_an_expired_token_in_the_first_message_asks_to_renew(node):
    with Client(node.port) as client:
        client.send(type="auth", token=node.token("ana", ttl=-60))
        assert client.wait("bye")["reconnect"] is True
        assert client.closed().code == 4011


def test_who_says_nothing_is_sent_away_after_the_deadline(node):
    began = time.monotonic()
    with Client(node.port) as client:
        assert client.closed().code == 4008
    assert 0.5 < time.monotonic() - began < 4


def test_a_connection_ends_with_its_token(node, backend, user):
    with Client(node.port, token=node.token(user, ttl=2)) as client:
        client.online()
        bye = client.wait("bye")
        assert (bye["code"], bye["reconnect"]) == (4011, True)
        assert client.closed().code == 4011


def test_a_local_page_may_connect_in_development(node, backend, user):
    with Client(node.port, token=node.token(user), headers={"Origin": "http://localhost:3000"}) as client:
        assert client.wait("welcome")


def test_limits_and_production(start_node, redis_of_module, backend, user):
    node = start_node(
        redis_of_module.url,
        profile="production",
        jwt_secrets="k1:Zm9QhR2vXk7tLw4nPc8sYd3bGj6uEa5o",
        flower_password="pT7kVn2cRz9wQx4m",
        origins="https://app.example",
        connections_max="2",
    )
    token = node.token(user)
    assert node.refused(path=f"/ws?token={token}").status == 401
    assert node.refused(token=token, headers={"Origin": "http://localhost:3000"}).status == 403
    with (
        Client(node.port, token=token, headers={"Origin": "https://app.example"}),
        Client(node.port, token=token),
    ):
        refused = node.refused(token=token)
    assert (refused.status, refused.error["code"], refused.error["retryable"]) == (503, "unavailable", True)
    assert int(refused.headers["retry-after"]) >= 1


def test_headers_are_bounded(node):
    refused = node.refused(headers={"X-Long": "b" * 20_000})
    assert (refused.status, refused.error["code"]) == (400, "malformed_request")


@pytest.mark.slow
def test_silent_and_slow_requests_are_closed_and_delay_nobody(node, backend, user):
    slow = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(300)]
    for number, one in enumerate(slow):
        one.sendall(b"GET /ws HT" if number % 2 else b"")
    began = time.monotonic()
    with Client(node.port, token=node.token(user)) as client:
        assert client.wait("welcome")
    assert time.monotonic() - began < 2
    for one in slow:
        one.settimeout(max(0.1, 13 - (time.monotonic() - began)))
        assert one.recv(10) == b""
        one.close()
