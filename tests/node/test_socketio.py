"""npm socket.io-client, the real one, by each of its transports: it signs in, receives, confirms, and is let go."""

import pytest

from tests.integration.wsnode.client import wait_until

TRANSPORTS = {
    "websocket": ["websocket"],
    "polling": ["polling"],
    "upgrade": ["polling", "websocket"],
}


@pytest.fixture(params=TRANSPORTS, ids=list(TRANSPORTS))
def transports(request: pytest.FixtureRequest) -> list[str]:
    return TRANSPORTS[request.param]


def acks(backend, user: str) -> bytes | None:
    return backend.client.hget("acks", f"main {user}")


def known(backend, user: str) -> None:
    """Wait until the node follows the streams of this user."""
    wait_until(lambda: backend.client.hget(f"stream:main:{user}", "rev") is not None)


def test_a_client_of_the_new_design_receives_and_has_taken_it(page, node, backend, user, transports):
    client = page(transports=transports, auth={"token": node.token(user)})
    client.until("connect")
    known(backend, user)
    backend.publish(user)
    (shown,) = client.event("new_notification")
    assert shown["recipientId"] == user
    assert shown["data"]["n"] == 1
    assert set(shown) == {"id", "recipientId", "senderId", "event", "message", "data", "createdAt"}
    wait_until(lambda: acks(backend, user) == b"1 0")


def test_a_client_of_the_plain_design_signs_in_by_the_address(page, node, backend, user, transports):
    client = page(transports=transports, query={"token": node.token(user)})
    client.until("connect")
    known(backend, user)
    backend.publish(user)
    data, meta = client.event("notification")
    assert data["n"] == 1
    assert (meta["stream"], meta["seq"]) == ("me", 1)


def test_v1_has_every_frame_as_an_event_and_confirms(page, node, backend, user, transports):
    auth = {"token": node.token(user), "protocol": "bellhop.v1"}
    client = page(transports=transports, auth=auth)
    connected = client.until("connect")
    (welcome,) = client.event("welcome")
    assert (welcome["type"], welcome["user"]) == ("welcome", user)
    assert welcome["connection"] == connected["id"]
    known(backend, user)
    backend.publish(user)
    (frame,) = client.event("notification")
    assert (frame["stream"], frame["seq"], frame["prev"]) == ("me", 1, 0)
    client.emit("ack", {"me": 1})
    wait_until(lambda: acks(backend, user) == b"1 0")
    answer = client.ask("read", {"ids": [frame["id"]]})
    assert answer["success"] is True
    assert answer["changed"] == 1


@pytest.mark.parametrize("token", ["nonsense", ""])
def test_without_a_good_token_a_client_is_told_why_and_stays_away(page, node, transports, token):
    client = page(transports=transports, auth={"token": token} if token else {})
    told = client.until("connect_error")
    assert told["data"] == {"code": "token_invalid" if token else "unauthenticated", "retryable": False}
    assert told["message"]
    assert told["active"] is False
    assert not client.told("connect")


def test_a_bad_token_in_the_address_is_let_in_and_out_at_once(page, node, transports):
    client = page(transports=transports, query={"token": "nonsense"})
    client.until("connect")
    told = client.until("disconnect")
    assert (told["reason"], told["active"]) == ("io server disconnect", False)


def test_a_token_that_has_ended_is_named_so_that_the_page_renews_it(page, node, user):
    client = page(transports=["websocket"], auth={"token": node.token(user, ttl=-60)})
    assert client.until("connect_error")["data"]["code"] == "token_expired"


def test_answering_a_notification_confirms_it(page, node, backend, user, transports):
    auth = {"token": node.token(user), "protocol": "bellhop.v1"}
    client = page(transports=transports, auth=auth, answers=True)
    client.event("welcome")
    known(backend, user)
    backend.publish(user, count=3)
    backend.broadcast()
    client.event("notification", count=4)
    wait_until(lambda: acks(backend, user) == b"3 1")


def test_going_over_to_a_websocket_loses_and_repeats_nothing(page, node, backend, user):
    auth = {"token": node.token(user), "protocol": "bellhop.v1"}
    client = page(auth=auth)
    client.event("welcome")
    known(backend, user)
    total = 0
    while not client.told("upgrade"):
        backend.publish(user)
        total += 1
    for _ in range(20):
        backend.publish(user)
    total += 20
    client.event("notification", count=total)
    assert [frame["seq"] for (frame,) in client.events("notification")] == list(range(1, total + 1))
    assert len(client.told("connect")) == 1
    assert len(client.events("welcome")) == 1
    assert client.told("upgrade", transport="websocket")


def test_what_was_missed_comes_once_and_not_on_every_return(page, node, backend, user, transports):
    backend.store(user, 2)
    auth = {"token": node.token(user)}
    first = page(transports=transports, auth=auth)
    first.event("new_notification", count=2)
    first.close()
    wait_until(lambda: acks(backend, user) == b"2 0")
    backend.of(user).acked = 2
    second = page(transports=transports, auth=auth)
    second.until("connect")
    known(backend, user)
    backend.publish(user)
    (shown,) = second.event("new_notification")
    assert shown["data"]["n"] == 3
    assert len(second.events("new_notification")) == 1


def test_the_first_tab_closes_and_the_second_is_served(page, node, backend, user, transports):
    auth = {"token": node.token(user)}
    first, second = (page(transports=transports, auth=auth) for _ in range(2))
    first.until("connect")
    second.until("connect")
    known(backend, user)
    backend.publish(user)
    first.event("new_notification")
    second.event("new_notification")
    first.close()
    backend.publish(user)
    second.event("new_notification", count=2)


def test_what_nobody_knows_is_ignored(page, node, user):
    client = page(transports=["websocket"], auth={"token": node.token(user)})
    client.until("connect")
    client.emit("dance", {"to": "music"})
    client.emit("message", "just words")
    answer = client.ask("read", {"ids": ["17"]})
    assert answer["success"] is False
    assert answer["code"] == "invalid_request"
    assert not client.told("disconnect")
