"""Ways in for Socket.IO clients, one by one, and out when what let them in is revoked or renewed."""

import json

import pytest

from tests.integration.wsnode.client import wait_until
from tests.integration.wsnode.poller import Poller
from tests.integration.wsnode.test_ways import ORIGIN, Desk, token

PAGE = {"Origin": ORIGIN}


@pytest.fixture
def desk(backend) -> Desk:
    return Desk(backend)


def refusal(packet: str) -> str:
    """The code of a connect_error."""
    assert packet.startswith("44")
    return json.loads(packet[2:])["data"]["code"]


def hears(client: Poller, backend, user: str) -> str:
    """The event in which it hears of a notification."""
    wait_until(lambda: backend.client.hget(f"stream:main:{user}", "rev") is not None)
    backend.publish(user)
    return json.loads(client.wait("42")[2:])[0]


def test_a_ticket_in_auth_lets_in_once(node, backend, desk, user):
    secret = desk.ticket(user)
    client = Poller(node.port)
    assert client.join(ticket=secret).startswith("40")
    assert hears(client, backend, user) == "new_notification"
    assert refusal(Poller(node.port).join(ticket=secret)) == "token_invalid"


def test_a_ticket_of_a_page_is_no_other_pages(node, desk, user):
    secret = desk.ticket(user, origin=ORIGIN)
    assert refusal(Poller(node.port).join(ticket=secret)) == "forbidden"
    secret = desk.ticket(user, origin=ORIGIN)
    assert Poller(node.port, headers=PAGE).join(ticket=secret).startswith("40")


def test_what_the_handshake_brings_counts_where_connect_brings_nothing(node, backend, desk, user):
    ways = [
        {"query": f"&token={node.token(user)}"},
        {"query": f"&ticket={desk.ticket(user)}"},
        {"headers": {"Authorization": f"Bearer {node.token(user)}"}},
        {"headers": {"Cookie": f"bellhop_access={node.token(user)}"} | PAGE},
    ]
    for way in ways:
        client = Poller(node.port, **way)
        assert client.join().startswith("40"), way
        assert hears(client, backend, user) == "notification"


def test_v1_with_a_cookie(node, user):
    client = Poller(node.port, headers={"Cookie": f"bellhop_access={node.token(user)}"} | PAGE)
    client.join(protocol="bellhop.v1")
    assert json.loads(client.wait("42")[2:])[0] == "welcome"


@pytest.mark.parametrize(
    "way",
    [
        {"headers": {"Authorization": "Bearer nonsense"}},
        {"headers": {"Cookie": "bellhop_access=nonsense"} | PAGE},
        {"query": "&ticket=nonsense"},
    ],
    ids=["header", "cookie", "ticket"],
)
def test_a_bad_credential_of_the_handshake_is_told_upon_connect(node, way):
    client = Poller(node.port, **way)
    assert refusal(client.join()) == "token_invalid"
    wait_until(client.ended)


def test_a_cookie_without_its_origin_lets_nobody_in(node, user):
    client = Poller(node.port, headers={"Cookie": f"bellhop_access={node.token(user)}"})
    assert refusal(client.join()) == "forbidden"


def test_what_is_revoked_ends_in_disconnect_and_does_not_come_back(node, desk, user):
    session = f"s-{user[-8:]}"
    client = Poller(node.port)
    client.join(token=token(node, user, session=session), protocol="bellhop.v1")
    client.wait("42")
    desk.revocations.end_sessions("main", user, [session])
    bye = json.loads(client.wait('42["bye"')[2:])[1]
    assert (bye["code"], bye["reconnect"]) == (4001, False)
    assert client.wait("41") == "41"
    assert client.wait("1") == "1"
    late = Poller(node.port)
    late.join(token=token(node, user, session=session))
    assert late.wait("41") == "41"


def test_a_token_is_renewed_over_the_socket(node, user):
    client = Poller(node.port)
    client.join(token=token(node, user, ttl=3))
    client.post(f'429["refresh",{json.dumps({"token": token(node, user, ttl=600)})}]')
    answer = json.loads(client.wait("439")[3:])[0]
    assert answer["success"] is True
    assert answer["expires_at"]
    client.post(f'428["refresh",{json.dumps({"token": token(node, user + "x")})}]')
    assert json.loads(client.wait("438")[3:])[0]["code"] == "forbidden"
    client.post('427["read",{"ids":["17"]}]')
    assert json.loads(client.wait("437")[3:])[0]["code"] == "invalid_request"
