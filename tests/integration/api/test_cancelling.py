"""Cancelling over HTTP: by id and by key, stored or not, for all or for some, and what is seen of it afterwards."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py

from shared.ids import uuid7
from shared.redis import client
from shared.redis.journal import Journal
from tests.integration.api.support import Api, give_one_up, store_all

NOTE = {"to": {"users": ["ana", "bob"]}, "event": "order.paid", "data": {"n": 1}}


@pytest.fixture(autouse=True)
def redis(api: Api) -> Iterator[redis_py.Redis]:
    connection = client.connect(api.redis_url)
    connection.flushdb()
    yield connection
    connection.close()


def post(api: Api, **changes: Any) -> str:
    answer = api.post("/v1/notifications", {**NOTE, **changes})
    assert answer.status == 202, answer.body
    return str(answer.json["id"])


def cancel(api: Api, id: str, body: Any = None, **options: Any) -> tuple[int, int]:
    answer = api.post(f"/v1/notifications/{id}/cancel", body, **options)
    assert answer.status == 200, answer.body
    return answer.json["cancelled"], answer.json["already_sent"]


def by_key(api: Api, key: str, **more: Any) -> tuple[int, int]:
    answer = api.post("/v1/notifications/cancel", {"cancel_key": key, **more})
    assert answer.status == 200, answer.body
    return answer.json["cancelled"], answer.json["already_sent"]


def status(api: Api, id: str) -> str:
    return str(api.call("GET", f"/v1/notifications/{id}").json["status"])


def states(api: Api, id: str) -> dict[str, str]:
    items = api.call("GET", f"/v1/notifications/{id}/deliveries").json["items"]
    return {item["user"]: item["state"] for item in items}


def inbox(api: Api, user: str) -> list[str]:
    items = api.call("GET", "/v1/inbox?limit=100", auth=api.token(user)).json["items"]
    return [item["id"] for item in items]


def test_what_is_stored_is_taken_out_of_every_inbox_and_says_so(api: Api):
    id = post(api)
    store_all(api)

    assert cancel(api, id) == (2, 0), "stored, and not published yet"
    assert cancel(api, id) == (0, 0)

    found = api.call("GET", f"/v1/notifications/{id}").json
    assert (found["status"], found["counts"]) == ("cancelled", {"cancelled": 2})
    assert [hop["hop"] for hop in found["timeline"]] == ["accepted", "stored", "cancelled"]
    assert states(api, id) == {"ana": "cancelled", "bob": "cancelled"}
    assert id not in inbox(api, "ana")


def test_what_waits_in_the_journal_is_cancelled_there(api: Api):
    id, other = post(api), post(api)

    assert cancel(api, id) == (2, 0)
    assert cancel(api, id) == (0, 0)
    assert status(api, id) == "cancelled"
    assert status(api, other) == "accepted"
    assert cancel(api, other, {"users": ["bob", "nobody"]}) == (1, 0)
    assert status(api, other) == "accepted"


def test_by_key_what_is_stored_and_what_waits_are_found(api: Api):
    stored = post(api, cancel_key="order-7")
    other = post(api, cancel_key="order-8")
    store_all(api)
    waiting = post(api, cancel_key="order-7")

    assert by_key(api, "order-7") == (2, 0), "what is only in the journal is not counted"

    assert [status(api, id) for id in (stored, waiting, other)] == ["cancelled", "cancelled", "sending"]
    assert by_key(api, "order-7") == (0, 0)
    assert by_key(api, "never-used") == (0, 0)
    assert by_key(api, "order-8", users=["ana"]) == (1, 0)
    assert states(api, other) == {"ana": "cancelled", "bob": "pending"}


def test_to_everyone_it_counts_as_one_and_cannot_be_cancelled_for_some(api: Api):
    to = {"to": {"everyone": True}}
    waiting = post(api, **to)
    refused = api.post(f"/v1/notifications/{waiting}/cancel", {"users": ["ana"]})
    store_all(api)
    stored = api.post(f"/v1/notifications/{waiting}/cancel", {"users": ["ana"]})

    assert refused.status == stored.status == 422
    assert refused.json["error"]["detail"][0]["field"] == "users"
    assert cancel(api, waiting) == (1, 0)
    assert waiting not in inbox(api, "ana")


def test_a_dead_letter_is_none_any_more_and_is_not_sent_again(api: Api, redis: redis_py.Redis):
    give_one_up(api)
    [letter] = api.call("GET", "/v1/dead-letters").json["items"]

    assert cancel(api, letter["id"]) == (1, 0)

    assert api.call("GET", "/v1/dead-letters").json["items"] == []
    answer = api.post(f"/v1/notifications/{letter['id']}/retry", None)
    assert (answer.status, answer.json["error"]["code"]) == (409, "conflict")
    assert Journal(redis).depth()[0] == 0


def test_an_app_cancels_only_its_own(api: Api):
    id, key = post(api, cancel_key="shared-word"), api.key_of("shop")
    assert api.post(f"/v1/notifications/{id}/cancel", None, auth=key).status == 404
    store_all(api)
    assert api.post(f"/v1/notifications/{id}/cancel", None, auth=key).status == 404
    answer = api.post("/v1/notifications/cancel", {"cancel_key": "shared-word"}, auth=key)
    assert answer.json == {"cancelled": 0, "already_sent": 0}
    assert status(api, id) == "sending"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"users": []}, "users"),
        ({"users": ["x"] * 1001}, "users"),
        ({"users": "ana"}, "users"),
        ({"cancel_key": "k"}, "cancel_key"),
    ],
)
def test_what_makes_no_sense_is_refused(api: Api, body: Any, field: str):
    answer = api.post(f"/v1/notifications/{post(api)}/cancel", body)
    assert answer.status == 422
    assert answer.json["error"]["detail"][0]["field"] == field


def test_what_nobody_accepted_is_unknown_and_a_key_is_needed(api: Api):
    assert api.post(f"/v1/notifications/{uuid7(0, bytes(10))}/cancel", None).status == 404
    assert api.post("/v1/notifications/none/cancel", None).status == 404
    assert api.post("/v1/notifications/cancel", {"users": ["ana"]}).status == 422
    reader = api.key_of("main", ["notifications:read"])
    assert api.post("/v1/notifications/cancel", {"cancel_key": "k"}, auth=reader).status == 403


def test_more_than_one_step_is_left_to_a_job(api: Api, redis: redis_py.Redis):
    users = [f"big-{number}" for number in range(1800)]
    id = post(api, to={"users": users})
    # In one page: the api stores nothing by itself.
    store_all(api, page_size=2000)

    assert cancel(api, id) == (1800, 0)

    counts = api.call("GET", f"/v1/notifications/{id}").json["counts"]
    assert counts == {"cancelled": 1500, "pending": 300}, "three steps are done before the answer"
    assert redis.llen("normal") == 2, "the job of the post, and one that goes on"
