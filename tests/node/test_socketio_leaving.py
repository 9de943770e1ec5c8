"""npm socket.io-client when its node goes away or its token ends: it comes back by itself exactly if that can help."""

import pytest

from tests.integration.wsnode.client import wait_until
from tests.node.test_socketio import known

TRANSPORTS = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=list(TRANSPORTS))
def test_a_node_that_drains_sends_it_elsewhere(
    page, start_node, redis_of_module, backend, user, transports, node
):
    first = start_node(redis_of_module.url)
    auth = {"token": node.token(user), "protocol": "bellhop.v1"}
    client = page(port=first.port, transports=transports, auth=auth)
    (welcome,) = client.event("welcome")
    known(backend, user)
    backend.publish(user)
    client.event("notification")
    client.stand(**auth, since={"epoch": welcome["epoch"], "me": 1, "all": welcome["all"]})
    client.move(node.port)
    first.terminate()
    assert client.event("bye")[0]["code"] == 4012
    told = client.until("disconnect")
    # A poll that follows the bye may find the node gone already.
    assert told["reason"] in ("transport close", "transport error")
    assert told["active"] is True
    client.until("connect", count=2)
    backend.publish(user)
    client.event("notification", count=2)
    assert [frame["seq"] for (frame,) in client.events("notification")] == [1, 2]
    assert client.events("welcome")[1][0]["recovered"] is True
    assert first.stop() == 0


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=list(TRANSPORTS))
def test_a_client_without_confirmations_gets_what_it_missed_while_away(
    page, start_node, redis_of_module, backend, user, transports, node
):
    first = start_node(redis_of_module.url)
    client = page(port=first.port, transports=transports, auth={"token": node.token(user)})
    client.until("connect")
    known(backend, user)
    backend.publish(user)
    client.event("new_notification")
    client.move(node.port)
    assert first.stop() == 0
    wait_until(lambda: backend.client.hget("acks", f"main {user}") == b"1 0")
    backend.of(user).acked = 1
    client.until("connect", count=2)
    backend.publish(user)
    client.event("new_notification", count=2)
    assert [shown["data"]["n"] for (shown,) in client.events("new_notification")] == [1, 2]


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=["websocket", "polling"])
def test_a_token_that_ends_hangs_up_and_the_page_learns_why_when_it_comes_back(page, node, user, transports):
    client = page(transports=transports, auth={"token": node.token(user, ttl=2)})
    client.until("connect")
    assert client.until("disconnect")["reason"] == "transport close"
    client.until("connect_error", data={"code": "token_expired", "retryable": False})


def test_a_node_that_dies_is_noticed(page, start_node, redis_of_module, user, node):
    first = start_node(redis_of_module.url)
    client = page(port=first.port, transports=["polling"], auth={"token": node.token(user)})
    client.until("connect")
    client.move(node.port)
    assert first.child is not None
    first.child.kill()
    client.until("connect", count=2)
