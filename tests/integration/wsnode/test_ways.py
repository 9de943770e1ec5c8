"""Tickets, cookies, tokens that are renewed or revoked: at a real node, with a real Redis."""

import json
import os
import time
from pathlib import Path

import pytest

from shared.auth.tokens import issue
from shared.redis import keys
from shared.redis.revocations import Decision, Revocations
from shared.redis.tickets import Ticket, Tickets
from tests.integration.wsnode.client import Client, Refused, frame, wait_until

ORIGIN = "http://127.0.0.1:8000"
"""The api's own page, which development allows for cookies."""


def now() -> int:
    return int(time.time() * 1000)


class Desk:
    """Hands out tickets and revokes, as the api does."""

    def __init__(self, backend) -> None:
        self.tickets, self.revocations = Tickets(backend.client), Revocations(backend.client, life=600)

    def ticket(
        self, user: str, *, origin: str | None = None, ends: float = 60, session: str | None = None
    ) -> str:
        secret = f"secret-{os.urandom(8).hex()}"
        expires = now() + round(ends * 1000)
        self.tickets.put(secret, Ticket("main", user, (), session, now(), expires, origin), 30)
        return secret


@pytest.fixture
def desk(backend) -> Desk:
    return Desk(backend)


def token(node, user: str, *, ttl: float = 600, session: str | None = None, age: float = 0) -> str:
    return issue(
        node.settings, user=user, app="main", ttl=ttl + age, now=now() - round(age * 1000), session=session
    )


def closed(client: Client) -> int:
    """The code with which the node closes."""
    return client.closed().code


def test_a_ticket_lets_in_once(node, desk, user):
    path = f"/ws?ticket={desk.ticket(user)}"
    with Client(node.port, path=path) as client:
        assert client.wait("welcome")["user"] == user
    refused = node.refused(path=path)
    assert (refused.status, refused.error["code"]) == (401, "token_invalid")


def test_a_ticket_is_for_the_page_that_asked_and_is_used_up_by_another(node, desk, user):
    secret = desk.ticket(user, origin=ORIGIN)
    assert node.refused(path=f"/ws?ticket={secret}").status == 403
    assert node.refused(path=f"/ws?ticket={secret}", headers={"Origin": ORIGIN}).status == 401

    with Client(
        node.port, path=f"/ws?ticket={desk.ticket(user, origin=ORIGIN)}", headers={"Origin": ORIGIN}
    ) as client:
        assert client.wait("welcome")["user"] == user


def test_a_ticket_ends_with_the_credential_that_asked_for_it(node, desk, user):
    refused = node.refused(path=f"/ws?ticket={desk.ticket(user, ends=-1)}")
    assert (refused.status, refused.error["code"]) == (401, "token_expired")


def test_a_since_that_is_none_does_not_use_up_the_ticket(node, desk, user):
    secret = desk.ticket(user)
    assert node.refused(path=f"/ws?ticket={secret}&me=x").status == 422
    with Client(node.port, path=f"/ws?ticket={secret}&me=0") as client:
        assert client.wait("welcome")


def test_the_cookie_lets_in_pages_of_the_api_and_nobody_else(node, backend, user):
    cookie = {"Cookie": f"theme=dark; bellhop_access={token(node, user)}"}
    with Client(node.port, headers=cookie | {"Origin": ORIGIN}) as client:
        assert client.wait("welcome")["user"] == user
    for origin in ({}, {"Origin": "http://localhost:3000"}, {"Origin": "null"}):
        refused = node.refused(headers=cookie | origin)
        assert (refused.status, refused.error["code"]) == (403, "forbidden")


def test_a_token_is_renewed_without_another_connection(node, desk, user):
    with Client(node.port, token=token(node, user, ttl=2)) as client:
        client.online()
        assert client.wait("expiring")["expires_at"].endswith("Z")
        fresh = token(node, user, ttl=300)
        client.send(type="refresh", token=fresh, ref=1)
        reply = client.wait("reply")
        assert reply["ref"] == 1
        ends = reply["result"]["expires_at"]
        time.sleep(2.2)  # the first token's end has to pass
        client.send(type="ping", ref=2)
        assert client.wait("pong")["ref"] == 2
    assert ends > "20"


@pytest.mark.parametrize("wrong", ["another user", "over", "nonsense", "revoked"])
def test_a_token_that_renews_nothing_leaves_the_connection_as_it_was(node, desk, user, wrong):
    desk.revocations.end_sessions("main", user, ["dead"])
    with Client(node.port, token=token(node, user, ttl=300, session=f"s1 {user}")) as client:
        client.online()
        offered = {
            "another user": token(node, "somebody else"),
            "over": token(node, user, ttl=-60),
            "nonsense": "x.y.z",
            "revoked": token(node, user, session="dead"),
        }[wrong]
        client.send(type="refresh", token=offered, ref="r")
        error = client.wait("error")
        code = {"another user": "forbidden", "over": "token_expired"}.get(wrong, "token_invalid")
        assert (error["ref"], error["code"]) == ("r", code)
        # It is still known by its own session.
        desk.revocations.end_sessions("main", user, [f"s1 {user}"])
        assert closed(client) == 4001


def test_an_ending_token_is_warned_of_and_then_closed(node, backend, user):
    with Client(node.port, token=token(node, user, ttl=2)) as client:
        client.online()
        assert client.wait("expiring")
        assert client.wait("bye")["code"] == 4011
        assert closed(client) == 4011


def test_revoking_closes_what_it_means_and_nothing_else(node, desk, user):
    old, other = (
        token(node, user, session=f"s1 {user}", age=100),
        token(node, user, session=f"s2 {user}", age=100),
    )
    with (
        Client(node.port, token=old) as first,
        Client(node.port, token=other) as second,
        Client(node.port, token=token(node, user, session=f"s3 {user}")) as fresh,
        Client(node.port, token=token(node, "a neighbour", session=f"s1 {user}")) as neighbour,
    ):
        for client in (first, second, fresh, neighbour):
            client.online()
        began = time.monotonic()
        assert desk.revocations.end_sessions("main", user, [f"s1 {user}"]) == 1
        assert closed(first) == 4001
        assert time.monotonic() - began < 1

        desk.revocations.decide("main", [Decision(user, now() - 50_000, False, now() - 50_000)])
        assert closed(second) == 4001
        desk.revocations.decide("main", [Decision(user, now(), True, now())])
        assert closed(fresh) == 4001
        neighbour.send(type="ping", ref=1)
        assert neighbour.wait("pong")


def test_what_was_revoked_before_is_found_out_when_it_registers(node, desk, user):
    desk.revocations.end_sessions("main", user, [f"s1 {user}"])
    for good, session in ((False, f"s1 {user}"), (True, f"s2 {user}")):
        with Client(node.port, token=token(node, user, session=session)) as client:
            if good:
                client.online()
            else:
                assert client.wait("bye")["code"] == 4001
                assert not [frame for frame in client.seen if frame["type"] == "welcome"]
    desk.revocations.decide("main", [Decision(user, now(), True, now())])
    with Client(node.port, path=f"/ws?ticket={desk.ticket(user, session='s2')}") as client:
        assert closed(client) == 4001
    desk.revocations.decide("main", [Decision(user, now() + 1, False, None)])


def test_who_comes_with_a_revoked_token_and_asks_in_the_same_breath_is_not_heard(node, desk, backend, user):
    """A sign-in and what follows it in one packet: the node has not asked Redis yet when it reads both."""
    for session in ("good", "dead"):
        desk.revocations.end_sessions("main", user, [f"dead {user}"])
        brought = token(node, user, session=f"{session} {user}")
        says = {"type": "send", "to": {"users": [user]}, "event": session, "ref": 1}
        with Client(node.port) as client:
            client.raw(
                b"".join(
                    frame(json.dumps(one).encode()) for one in ({"type": "auth", "token": brought}, says)
                )
            )
            if session == "good":
                assert client.wait("reply")["ref"] == 1
            else:
                assert closed(client) == 4001
    heard = [raw for raw in backend.client.hvals(keys.JOURNAL) if user.encode() in raw]
    assert [b"good" in raw and b"dead" not in raw for raw in heard] == [True]


def test_what_was_revoked_while_the_node_was_deaf_is_found_out_afterwards(node, desk, backend, user):
    with Client(node.port, token=token(node, user, session=f"s1 {user}")) as client:
        client.online()
        # Written but told to nobody: as if the envelope had been lost with the subscription.
        backend.client.set(f"revoked:session:main:s1 {user}", b"", ex=60)
        backend.client.client_kill_filter(_type="pubsub")
        assert closed(client) == 4001
    wait_until(node.ready)


def outcome(node, options) -> str:
    """How a client is refused; nothing if it is let in."""
    try:
        with Client(node.port, **options):
            return ""
    except Refused as refused:
        return str(refused)


def test_no_secret_is_in_the_log_or_the_metrics(node, desk, user):
    marked = f"MARK{os.urandom(6).hex()}"
    ways = [
        {"path": f"/ws?ticket={marked}"},
        {"path": f"/ws?token={marked}"},
        {"path": f"/ws?session={marked}&other={marked}"},
        {"path": f"/socket.io/?EIO=4&transport=websocket&token={marked}"},
        {"headers": {"Cookie": f"bellhop_access={marked}"}},
        {"headers": {"Cookie": f"bellhop_access={marked}", "Origin": ORIGIN}},
        {"headers": {"Authorization": f"Bearer {marked}"}},
        {"headers": {"Sec-WebSocket-Protocol": f"bellhop.v1, bearer.{marked}"}},
        {"token": "x", "headers": {"X-Request-Id": "looked-for"}},
    ]
    for options in ways:
        assert marked not in outcome(node, options)
    with Client(node.port) as client:
        client.send(type="auth", token=marked)
        assert marked not in str(client.closed())
        assert marked not in str(client.seen)
    with Client(node.port, token=node.token(user)) as client:
        client.online()
        client.send(type="refresh", token=marked, ref=1)
        assert marked not in str(client.wait("error"))
    wait_until(lambda: "looked-for" in node.log())
    assert marked not in Path(node.log_path).read_text(errors="replace")
    assert marked.encode() not in node.get("/metrics")[1]
