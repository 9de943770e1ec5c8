"""A node in production without a secret of its own: another issuer's tokens alone, its keys rotated while it runs."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from shared.redis.tickets import Ticket, Tickets
from tests.fixtures.other_issuer import ISSUER, KeyServer, key_server, key_set, public_jwk, signed
from tests.integration.wsnode.client import Client, wait_until
from tests.integration.wsnode.conftest import NodeProcess

FIRST, SECOND = public_jwk("RS256", "first", "first"), public_jwk("ES256", "second", "second")
ALGORITHMS = {"first": "RS256", "second": "ES256"}


def token(user: str, key: str, **claims: Any) -> str:
    known = {"sub": user, "iss": ISSUER, "aud": "bellhop", "exp": int(time.time()) + 300}
    return signed(known | claims, algorithm=ALGORITHMS[key], kid=key, name=key)


@pytest.fixture(scope="module")
def server() -> Iterator[KeyServer]:
    with key_server() as server:
        server.body = key_set(FIRST)
        yield server


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory, redis_of_module, server) -> Iterator[NodeProcess]:
    node = NodeProcess(
        tmp_path_factory.mktemp("node"),
        redis_of_module.url,
        jwt_secrets="",
        issuer=ISSUER,
        issuer_jwks=server.address,
        issuer_audience="bellhop",
        drain_window="0.2",
        auth_deadline="15",
    )
    node.start()
    yield node
    node.stop()


def test_rotation_while_connections_come_and_the_issuer_goes_down(node, backend, server, user):
    with Client(node.port, token=token(user, "first")) as client:
        assert client.wait("welcome")["user"] == user
        began, fetched = time.monotonic(), server.fetches

        # A key that nobody has heard of: asked for at most once in ten seconds, and the tokens that name it refused.
        for _ in range(20):
            refused = node.refused(token=token(user, "second"))
            assert (refused.status, refused.error["code"]) == (401, "token_invalid")
        assert server.fetches <= fetched + 1

        server.body = key_set(FIRST, SECOND)
        wait_until(lambda: time.monotonic() - began > 10.5, seconds=15)
        # In the first message, whose callback must not wait: others are served meanwhile.
        with Client(node.port) as newcomer:
            newcomer.send(type="auth", token=token(user, "second"))
            newcomer.send(type="ping", ref=1)  # comes before the sign-in is through
            found = {(frame := newcomer.wait("welcome", "pong"))["type"]: frame for _ in range(2)}
            assert (found["welcome"]["user"], found["pong"]["ref"]) == (user, 1)

        server.status = 500
        for key in ("first", "second"):
            with Client(node.port, token=token(user, key)) as other:
                assert other.wait("welcome")
        client.send(type="refresh", token=token(user, "second", sid="s"), ref="r")
        assert client.wait("reply")["ref"] == "r"
        server.status = 200
    assert "Traceback" not in node.log()


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example.com/"},
        {"aud": "another"},
        {"exp": None},
        {"app": "shop"},
        {"nbf": 1 << 33},
    ],
)
def test_wrong_claims_are_refused(node, claims):
    assert node.refused(token=token("ana", "first", **claims)).status == 401


def test_a_ticket_lets_in_here_too(node, backend, user):
    now = int(time.time() * 1000)
    Tickets(backend.client).put("s", Ticket("main", user, (), None, now, now + 60_000, None), 30)
    with Client(node.port, path="/ws?ticket=s") as client:
        assert client.wait("welcome")["user"] == user
