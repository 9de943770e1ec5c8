"""The list of notifications and a user's deliveries, asked of the real api."""

import time
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import update

from api import tallies
from api.stories import Stories
from shared.clock import SystemClock, rfc3339, to_datetime
from shared.models import tables as t
from shared.redis import client
from shared.redis.journal import Journal
from shared.redis.tallies import Tallies
from shared.store.pages import mark_pages_published, store_page
from shared.store.publishing import mark_published
from shared.store.receipts import apply_acks
from tests.integration.api.support import Api, store_all


def send(api: Api, *users: str, **options: Any) -> str:
    body = {"to": {"users": list(users)}, "event": "order.paid", **options}
    return str(api.post("/v1/notifications", body).json["id"])


def publish(api: Api, *ids: str) -> None:
    """Store what was accepted, and publish these."""
    store_all(api)
    now = SystemClock().now_ms()
    api.database.run(lambda session: mark_published(session, list(ids), now))


def listed(api: Api, query: str = "", *, limit: int = 3) -> list[dict[str, Any]]:
    """All pages of the list."""
    found, cursor = [], ""
    while True:
        page = api.call("GET", f"/v1/notifications?limit={limit}{query}{cursor}")
        assert page.status == 200, page.body
        assert len(page.json["items"]) <= limit
        found += page.json["items"]
        if page.json["next"] is None:
            return found
        cursor = f"&cursor={page.json['next']}"


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def ack(api: Api, user: str, me: int) -> None:
    now = SystemClock().now_ms()
    api.database.run(lambda session: apply_acks(session, [("main", user, me, 0)], now))


def change(api: Api, id: str, **values: Any) -> None:
    where = t.deliveries.c.notification_id == id
    api.database.run(lambda session: session.execute(update(t.deliveries).where(where).values(values)))


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A thread and a user of this test's own: the module's tests share one api."""
    return request.node.originalname.removeprefix("test_")[:40]


def test_a_list_tells_what_get_one_tells_but_data_and_timeline(api, name):
    id = send(api, name, tags=["blue"], thread_key=name, cancel_key="c", collapse_key=None)
    publish(api, id)

    (item,) = listed(api, f"&thread_key={name}")

    whole = api.call("GET", f"/v1/notifications/{id}").json
    assert set(whole) - set(item) == {"data", "timeline"}
    # Each counted by itself.
    counted = item.pop("counted_at"), whole.pop("counted_at")
    assert all(counted)
    assert item == {key: whole[key] for key in item}
    assert (item["status"], item["counts"], item["tags"]) == ("sent", {"sent": 1}, ["blue"])


def test_each_status_finds_its_own(api, name):
    thread = f"&thread_key={name}"
    made = {
        word: send(api, f"{name}-{word}", thread_key=name)
        for word in ("sent", "completed", "held", "failed", "scheduled", "cancelled", "sending")
    }
    publish(api, made["sent"], made["completed"], made["held"])
    ack(api, f"{name}-completed", 1)
    until = to_datetime(SystemClock().now_ms() + 60_000)
    change(api, made["held"], state="held", reason="local_time", held_until=until, seq=None)
    for word in ("failed", "scheduled", "cancelled"):
        where = t.notifications.c.id == made[word]
        api.database.run(
            lambda session, where=where, word=word: session.execute(
                update(t.notifications).where(where).values(status=word)
            )
        )
    made["accepted"] = send(api, name, thread_key=name)

    found = {word: ids(listed(api, f"{thread}&status={word}")) for word in (*made, "expired")}

    assert found == {**{word: [id] for word, id in made.items()}, "expired": []}
    told = {item["id"]: item["status"] for item in listed(api, thread)}
    assert told == {id: word for word, id in made.items() if word != "accepted"}


def test_filters_meet(api, name):
    first = send(api, name, event="door.rang", tags=["blue", name], thread_key=name)
    second = send(api, name, event="door.rang", tags=["red"], thread_key=name)
    store_all(api)
    at = api.call("GET", f"/v1/notifications/{second}").json["accepted_at"]
    until = quote(at.replace("Z", "+00:00"))

    assert ids(listed(api, f"&thread_key={name}&event=door.rang")) == [second, first]
    assert ids(listed(api, f"&tag={name}")) == [first]
    assert ids(listed(api, f"&thread_key={name}&tag=red&event=door.rang")) == [second]
    assert ids(listed(api, f"&thread_key={name}&tag=green")) == []
    sender = api.call("GET", f"/v1/notifications/{second}").json["sender"]
    assert ids(listed(api, f"&sender={quote(sender)}&thread_key={name}")) == [second, first]
    assert second not in ids(listed(api, f"&thread_key={name}&until={until}"))
    assert second in ids(listed(api, f"&thread_key={name}&since={until}"))


def test_what_waits_in_the_journal_is_listed_as_accepted(api, name):
    store_all(api)
    waiting = [send(api, name, tags=[name] if number % 2 else []) for number in range(5)]

    assert ids(listed(api, "&status=accepted", limit=2)) == waiting[::-1]
    assert ids(listed(api, f"&status=accepted&tag={name}", limit=2)) == [waiting[3], waiting[1]]
    assert listed(api, "&status=accepted&event=other") == []
    (item,) = listed(api, f"&status=accepted&tag={name}", limit=1)[:1]
    assert (item["status"], item["recipients"], item["counts"]) == ("accepted", None, {})


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=lost", "status"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=WyJkZWxpdmVyaWVzIiwxXQ", "cursor"),
        ("since=yesterday", "since"),
        ("until=2026-01-01", "until"),
        ("colour=red", "colour"),
        ("tag=a&tag=b", "tag"),
    ],
)
def test_a_bad_query_is_refused_by_name(api, query, field):
    answer = api.call("GET", f"/v1/notifications?{query}")

    assert answer.status == 422
    assert field in [problem["field"] for problem in answer.json["error"]["detail"]]


def test_a_big_audience_is_counted_once_for_all_who_ask_soon(api, name):
    users = [f"{name}-{number}" for number in range(1100)]
    id = send(api, *users, thread_key=name)
    store_all(api)
    now = SystemClock().now_ms()
    for page in (0, 1):
        api.database.run(
            lambda session, page=page: store_page(session, id, page, now_ms=now, push_after_s=30)
        )
        api.database.run(lambda session, page=page: mark_pages_published(session, id, [page], now))

    def told() -> tuple[dict[str, int], str]:
        found = api.call("GET", f"/v1/notifications/{id}").json
        return found["counts"], found["counted_at"]

    counts, at = told()
    assert counts == {"sent": 1100}
    ack(api, users[0], 1)
    deadline = time.monotonic() + 10
    while (seen := told())[0] != {"delivered": 1, "sent": 1099}:
        # The same count until it is counted anew.
        assert seen == (counts, at)
        assert time.monotonic() < deadline
    assert seen[1] > at
    kept = Tallies(client.connect(api.redis_url)).get([id])
    assert kept[id].states == {"delivered": 1, "pending": 1099}
    (item,) = listed(api, f"&thread_key={name}")
    assert (item["counts"], item["counted_at"]) == seen


def test_what_would_take_too_long_to_count_has_no_counts_and_ends_a_list_that_needs_them(
    api, name, monkeypatch
):
    made = [send(api, f"{name}-{number}", thread_key=name) for number in range(6)]
    publish(api, *made)
    where = t.notifications.c.id.in_(made)
    api.database.run(
        lambda session: session.execute(update(t.notifications).where(where).values(recipients=2000))
    )
    monkeypatch.setattr(tallies, "BUDGET", 4000)
    redis = client.connect(api.redis_url)
    counting = tallies.Counting(Tallies(redis), SystemClock())
    stories = Stories(api.database, Journal(redis), counting)

    page = stories.page("main", {"thread_key": name})
    assert [item["counts"] is None for item in page["items"]] == [False, False, True, True, True, True]
    assert {item["status"] for item in page["items"]} == {"sent"}
    found, cursors = [], [None]
    for _ in range(9):
        query = {"thread_key": name, "status": "sent", **({"cursor": cursors[-1]} if cursors[-1] else {})}
        page = stories.page("main", query)
        found += ids(page["items"])
        cursors.append(page["next"])
        if page["next"] is None:
            break

    assert found == made[::-1]
    assert len(cursors) > 2, "the first page is short"


def test_a_scheduled_one_tells_its_time_and_its_audience_before_and_after_it_is_stored(api, name):
    at = rfc3339(SystemClock().now_ms() + 3_600_000)
    to = {"users": [name], "topics": [f"{name}/x"], "exclude": {"users": ["eve"], "topics": [f"{name}/y"]}}
    sent = api.post("/v1/notifications", {"to": to, "event": "x", "send_at": at, "thread_key": name})
    id = sent.json["id"]
    waiting = api.call("GET", f"/v1/notifications/{id}").json
    store_all(api)
    stored = api.call("GET", f"/v1/notifications/{id}").json

    assert (waiting["status"], stored["status"]) == ("accepted", "scheduled")
    assert [hop["hop"] for hop in waiting["timeline"]] == ["accepted", "scheduled"]
    assert [hop["hop"] for hop in stored["timeline"]] == ["accepted", "scheduled", "stored"]
    said = {"topics": [f"{name}/x"], "segments": [], "exclude": {"topics": [f"{name}/y"], "segments": []}}
    for told in (waiting, stored, *listed(api, f"&thread_key={name}&status=scheduled")):
        assert (told["send_at"], told["local_at"], told["audience"]) == (at, None, said)


def test_why_a_user_did_not_get_it(api, name):
    got, held, skipped = (send(api, name) for _ in range(3))
    publish(api, got, held, skipped)
    until = to_datetime(SystemClock().now_ms() + 60_000)
    change(api, held, state="held", reason="local_time", held_until=until, seq=None)
    change(api, skipped, state="skipped", reason="frequency_cap", seq=None)
    ack(api, name, 1)
    path = f"/v1/users/{name}/deliveries"

    found = api.call("GET", path).json

    told = [(item["notification"], item["state"], item["reason"]) for item in found["items"]]
    assert told[:3] == [
        (skipped, "skipped", "frequency_cap"),
        (held, "held", "local_time"),
        (got, "delivered", None),
    ]
    assert found["items"][1]["held_until"]
    first = api.call("GET", f"{path}?limit=1").json
    second = api.call("GET", f"{path}?limit=1&cursor={first['next']}").json
    assert [page["items"][0]["notification"] for page in (first, second)] == [skipped, held]
    assert [item["notification"] for item in api.call("GET", f"{path}?state=held").json["items"]] == [held]
    of_it = api.call("GET", f"/v1/notifications/{held}/deliveries?user={name}").json
    assert [(item["user"], item["held_until"] is not None) for item in of_it["items"]] == [(name, True)]


def test_both_lists_of_a_user_name_the_user_who_sent_it(api, name):
    by_user, by_key = send(api, name), send(api, name)
    publish(api, by_user, by_key)
    sent_by_bo = update(t.notifications).where(t.notifications.c.id == by_user).values(sender="user:bo")
    api.database.run(lambda session: session.execute(sent_by_bo))

    deliveries = api.call("GET", f"/v1/users/{name}/deliveries").json["items"]
    inbox = api.call("GET", "/v1/inbox", auth=api.token(name)).json["items"]

    expected = [(by_key, None), (by_user, "bo")]
    assert [(item["notification"], item["from"]) for item in deliveries if item["stream"] == "me"] == expected
    assert [(item["id"], item["from"]) for item in inbox if item["stream"] == "me"] == expected


def test_a_user_who_is_not_in_the_audience_has_no_delivery_of_it(api, name):
    id = send(api, name)
    store_all(api)

    for other in ("nobody-knows", name + "-other"):
        found = api.call("GET", f"/v1/notifications/{id}/deliveries?user={quote(other)}")
        assert (found.status, found.json) == (200, {"items": [], "next": None})


def test_nobody_knows_the_deliveries_of_an_unknown_user(api):
    assert api.call("GET", "/v1/users/never-seen/deliveries").status == 404
    assert api.call("GET", "/v1/users/a%2Fb/deliveries").status == 404


@pytest.mark.parametrize(
    "query", ["cursor=x", "state=lost", "since=x", "limit=0", "cursor=WyJub3RpZmljYXRpb25zIl0"]
)
def test_a_bad_query_of_a_users_deliveries_is_refused(api, name, query):
    send(api, name)
    store_all(api)

    assert api.call("GET", f"/v1/users/{name}/deliveries?{query}").status == 422


def test_the_story_needs_the_right_to_read_notifications(api):
    key = api.key_of("main", ["notifications:write"])

    for path in ("/v1/notifications", "/v1/users/ana/deliveries"):
        assert api.call("GET", path, auth=key).status == 403
        assert api.call("GET", path, auth=None).status == 401
        assert api.call("HEAD", path, auth=key).status == 403
