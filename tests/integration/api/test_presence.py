"""Who is online, over HTTP: one, many, unknown ones; and the log of connections in pages."""

import time

import pytest
import redis

from shared.clock import SystemClock, rfc3339
from shared.protocol.visit import Visit
from shared.redis.client import connect
from shared.redis.leases import Leases
from shared.redis.streams import Since, Streams
from shared.store import connection_logs
from shared.store.presence import note_seen
from tests.integration.api.support import Api

SOME_MS = 1_790_000_000_000


@pytest.fixture
def client(api: Api):
    client = connect(api.redis_url)
    client.flushdb()
    yield client
    client.close()


def online(client: redis.Redis, node: str, *users: str, app: str = "main") -> Streams:
    Leases(client).take(node, "x")
    streams = Streams(client)
    streams.connect(node, [(app, user, Since()) for user in users])
    return streams


def know(api: Api, *users: str) -> None:
    for user in users:
        assert api.call("PUT", f"/v1/users/{user}").status in (200, 201)


def test_one_user_is_online_on_two_nodes_then_in_the_grace_then_not(api: Api, client):
    online(client, "n1", "an/a b")
    streams = online(client, "n2", "an/a b")

    found = api.call("GET", "/v1/users/an%2Fa%20b/presence").json

    assert abs(SystemClock().now_ms() - time.time() * 1000) < 5000
    assert found["last_seen"][:10] == rfc3339(SystemClock().now_ms())[:10]
    assert {**found, "last_seen": ""} == {
        "user": "an/a b",
        "online": True,
        "last_seen": "",
        "connections": 2,
        "nodes": [{"node": "n1", "connections": 1}, {"node": "n2", "connections": 1}],
    }
    for node in ("n1", "n2"):
        streams.disconnect(node, [("main", "an/a b")])
    grace = api.call("GET", "/v1/users/an%2Fa%20b/presence").json
    assert (grace["online"], grace["connections"]) == (True, 0)
    client.delete("present:leaving", "stream:main:an/a b")
    assert api.call("GET", "/v1/users/an%2Fa%20b/presence").json["online"] is False


def test_many_are_told_in_their_order_and_repeats_once(api: Api, client):
    know(api, "away", "left")
    api.database.run(lambda session: note_seen(session, [(("main", "away"), SOME_MS)]))
    online(client, "n1", "here")
    client.hset("present:seen", mapping={"main left": SOME_MS + 1, "main away": SOME_MS - 1})

    users = ["left", "here", "away", "nobody", "here"]
    items = api.post("/v1/presence", {"users": users}).json["items"]

    assert [(one["user"], one["online"]) for one in items] == [
        ("left", False), ("here", True), ("away", False), ("nobody", False),
    ]  # fmt: skip
    seen = {one["user"]: one["last_seen"] for one in items}
    assert (seen["left"], seen["away"]) == (rfc3339(SOME_MS + 1), rfc3339(SOME_MS))
    assert seen["nobody"] is None
    thousand = [f"u{n}" for n in range(1000)]
    assert len(api.post("/v1/presence", {"users": thousand}).json["items"]) == 1000
    assert api.post("/v1/presence", {"users": [*thousand, "one more"]}).status == 422


def test_each_app_sees_its_own_and_a_token_needs_the_scope(api: Api, client):
    shop = api.key_of("shop")
    online(client, "n1", "ana")

    assert api.call("GET", "/v1/users/ana/presence", auth=shop).json["online"] is False
    assert api.post("/v1/presence", {"users": ["ana"]}, auth=shop).json["items"][0]["online"] is False
    with_scope = api.token("ben", scopes=["presence:read"])
    assert api.call("GET", "/v1/users/ana/presence", auth=with_scope).json["online"] is True
    assert api.call("GET", "/v1/users/ana/connections", auth=with_scope).status == 403


def test_the_log_of_connections_comes_in_pages(api: Api, client):
    know(api, "logged")
    visits = [
        Visit(
            connection=f"n1.{n}", node="n1", app="main", user="logged", opened_at=SOME_MS, sign_in="header",
            dialect="native", closed_at=SOME_MS + 1500 if n else None, code=4011 if n else None,
            reason="over" if n else None,
        )
        for n in range(3)
    ]  # fmt: skip
    api.database.run(lambda session: connection_logs.write(session, visits))

    first = api.call("GET", "/v1/users/logged/connections?limit=2").json
    second = api.call("GET", f"/v1/users/logged/connections?limit=2&cursor={first['next']}").json

    assert [one["connection"] for one in first["items"] + second["items"]] == ["n1.2", "n1.1", "n1.0"]
    assert second["next"] is None
    assert first["items"][0] == {
        "connection": "n1.2", "node": "n1", "opened_at": rfc3339(SOME_MS), "closed_at": rfc3339(SOME_MS + 1500),
        "code": 4011, "reason": "over", "duration": 1.5, "sign_in": "header", "dialect": "native",
        "address": None,
    }  # fmt: skip
    assert second["items"][0]["closed_at"] is None
    assert api.call("GET", "/v1/users/nobody/connections").status == 404
    assert api.call("GET", "/v1/users/logged/connections?cursor=x").status == 422
