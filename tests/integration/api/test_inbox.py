"""A user's inbox over HTTP, and what the user's sockets are told of it."""

import json

import pytest
import redis

from tests.integration.api.support import Api, store_all


@pytest.fixture
def inbox(api: Api):
    """A user of this test's own with three notifications, one of them to everyone."""
    with redis.Redis.from_url(api.redis_url) as client:
        client.flushdb()
    user = f"user-{id(client)}"
    for event in ("order.paid", "order.sent"):
        api.post("/v1/notifications", {"to": {"users": [user]}, "event": event, "data": {"n": 1}})
        store_all(api)
    api.post("/v1/notifications", {"to": {"everyone": True}, "event": "hello", "ttl": 3600})
    store_all(api)
    return Inbox(api, user)


class Inbox:
    def __init__(self, api: Api, user: str) -> None:
        self.api, self.user, self.token = api, user, api.token(user)

    def items(self, query: str = "") -> list[dict]:
        return self.api.call("GET", f"/v1/inbox{query}", auth=self.token).json["items"]

    def counts(self) -> dict[str, int]:
        return self.api.call("GET", "/v1/inbox/counts", auth=self.token).json

    def mark(self, action: str, body: dict) -> dict:
        return self.api.post(f"/v1/inbox/{action}", body, auth=self.token).json


def test_an_inbox_lists_what_is_ones_own_and_everyones_newest_first(inbox):
    items = inbox.items()

    assert [item["event"] for item in items if item["stream"] == "me"] == ["order.sent", "order.paid"]
    assert items[0]["event"] == "hello"
    assert items[0]["stream"] == "all"
    assert set(items[0]) == {
        "id", "stream", "seq", "event", "data", "from",
        "sent_at", "seen_at", "read_at", "archived_at", "expires_at",
    }  # fmt: skip


def test_a_list_goes_on_where_its_cursor_says(inbox):
    first = inbox.api.call("GET", "/v1/inbox?limit=1", auth=inbox.token).json
    second = inbox.api.call("GET", f"/v1/inbox?limit=1&cursor={first['next']}", auth=inbox.token).json

    assert first["items"][0]["id"] != second["items"][0]["id"]
    assert inbox.api.call("GET", "/v1/inbox?cursor=abc", auth=inbox.token).code == "invalid_request"


def test_marks_move_the_counts_and_again_change_nothing(inbox):
    before = inbox.counts()
    first = inbox.items("?event=order.paid")[0]["id"]

    assert inbox.mark("read", {"ids": [first]})["changed"] == 1
    assert inbox.mark("read", {"ids": [first]})["changed"] == 0
    assert inbox.counts()["unread"] == before["unread"] - 1
    assert [item["id"] for item in inbox.items("?state=read")] == [first]
    assert inbox.mark("unread", {"ids": [first]})["counts"] == {**before, "unseen": before["unseen"] - 1}
    assert inbox.mark("archive", {"filter": {"event": "order.paid"}})["changed"] == 1
    assert inbox.counts()["archived"] == before["archived"] + 1
    assert inbox.mark("unarchive", {"ids": [first]})["changed"] == 1


def test_ids_that_are_not_there_change_nothing(inbox):
    assert inbox.mark("read", {"ids": ["01990000-0000-7000-8000-000000000000", "nonsense"]})["changed"] == 0


def test_a_mark_is_told_to_the_nodes_that_hold_the_user(inbox):
    with redis.Redis.from_url(inbox.api.redis_url) as client:
        client.hset(f"stream:main:{inbox.user}", mapping={"nodes": "n1"})
        client.set("lease:n1", "here", ex=60)
        listener = client.pubsub()
        listener.subscribe("node:n1")
        assert listener.get_message(timeout=5)["type"] == "subscribe"
        id = inbox.items("?event=order.sent")[0]["id"]
        answer = inbox.mark("read", {"ids": [id]})
        message = listener.get_message(timeout=5)
        listener.close()

    head, _, body = message["data"].partition(b"\n")
    told = json.loads(body)
    assert head == b"1 state main"
    assert (told["user"], told["except"]) == (inbox.user, None)
    assert told["frame"]["type"] == "state"
    assert told["frame"]["ids"] == [id]
    assert told["frame"]["read_at"]
    assert told["frame"]["counts"] == answer["counts"]


def test_a_user_is_kept_changed_and_erased(inbox):
    api, user = inbox.api, inbox.user
    put = api.call(
        "PUT", f"/v1/users/{user}", {"attributes": {"a": 1}, "locale": "de", "timezone": "Europe/Berlin"}
    )
    assert put.status == 200  # known since something was sent to it
    assert put.json["attributes"] == {"a": 1}
    assert api.call("PUT", f"/v1/users/{user}-new", {}).status == 201
    assert api.call("PUT", f"/v1/users/{user}", {}).json["locale"] is None

    with redis.Redis.from_url(api.redis_url) as client:
        client.zadd(f"tail:me:main:{user}", {"frame": 1})
        assert api.call("DELETE", f"/v1/users/{user}").status == 204
        assert not client.exists(f"tail:me:main:{user}")
    assert api.call("GET", f"/v1/users/{user}").status == 404
    assert api.call("DELETE", f"/v1/users/{user}").status == 404
    # Whoever comes back under the name is another person: the token of the erased one is dead.
    assert api.call("GET", "/v1/inbox", auth=inbox.token).code == "token_invalid"
