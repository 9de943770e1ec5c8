"""npm socket.io-client as a sender: the callback hears what became of it, and limits end in a clear word."""

import pytest

from tests.integration.wsnode.client import wait_until
from tests.integration.wsnode.conftest import NodeProcess

TRANSPORTS = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=list(TRANSPORTS))
def test_send_notification_is_accepted_and_told_so(page, node, backend, user, transports):
    client = page(transports=transports, auth={"token": node.token(user)})
    client.until("connect")
    answer = client.ask("send_notification", {"recipientId": "user-123", "message": "Hello, this is a test!"})
    assert answer["success"] is True
    assert answer["id"]
    wait_until(lambda: backend.client.hexists("journal", answer["id"]))


@pytest.mark.parametrize(
    "asked",
    [{"message": "to nobody"}, {"recipientId": "user-123"}, {"recipientId": "", "message": "x"}, "text"],
)
def test_what_cannot_be_sent_is_told_to_the_callback(page, node, user, asked):
    client = page(transports=["websocket"], auth={"token": node.token(user)})
    client.until("connect")
    answer = client.ask("send_notification", asked)
    assert answer["success"] is False
    assert answer["error"]
    assert answer["code"] == "invalid_request"
    assert not client.told("disconnect")


def test_v1_sends_as_native_clients_do(page, node, backend, user):
    client = page(transports=["websocket"], auth={"token": node.token(user), "protocol": "bellhop.v1"})
    client.event("welcome")
    answer = client.ask("send", {"to": {"users": ["bo"]}, "event": "greeting", "data": {"text": "hi"}})
    assert (answer["success"], answer["status"]) == (True, "accepted")
    refused = client.ask("send", {"to": {"topics": ["all"]}, "event": "greeting", "data": {}})
    assert (refused["success"], refused["code"]) == (False, "forbidden")


@pytest.fixture(scope="module")
def strict_node(tmp_path_factory, redis_of_module):
    """One that lets a user send twice a minute."""
    node = NodeProcess(tmp_path_factory.mktemp("strict"), redis_of_module.url, socket_limit="2/1m")
    node.start()
    yield node
    node.stop()


def test_over_the_limit_the_callback_hears_it_and_the_socket_is_closed(page, strict_node, user):
    auth = {"token": strict_node.token(user)}
    client = page(port=strict_node.port, transports=["websocket"], auth=auth, reconnection=False)
    client.until("connect")
    asked = {"recipientId": "user-123", "message": "again"}
    assert [client.ask("send_notification", asked)["success"] for _ in range(2)] == [True, True]
    over = client.ask("send_notification", asked)
    assert (over["success"], over["code"]) == (False, "too_many_requests")
    assert over["error"]
    client.until("disconnect")
    again = page(port=strict_node.port, transports=["websocket"], auth=auth, reconnection=False)
    again.until("connect")
    assert again.ask("send_notification", asked)["success"] is False


def test_a_flood_of_messages_is_told_and_closed(page, node, user):
    client = page(transports=["websocket"], auth={"token": node.token(user)}, reconnection=False)
    client.until("connect")
    for _ in range(1100):
        client.emit("dance")
    assert client.until("disconnect")["reason"] == "transport close"
