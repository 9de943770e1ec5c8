"""Schedules over HTTP: made, refused with the field's name, changed, paused, skipped, run, listed, removed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import delete, update

from shared.clock import SystemClock, to_datetime
from shared.domain import paging
from shared.ids import uuid7
from shared.models import tables as t
from shared.protocol.journal import Entry
from shared.store import schedule_runs
from tests.integration.api.support import Answer, Api

CONTENT = {"to": {"users": ["ana"]}, "event": "report.ready", "data": {"n": 1}}
PATH = "/v1/schedules"


@pytest.fixture(autouse=True)
def _nothing_scheduled(api: Api) -> None:
    api.database.run(lambda s: [s.execute(delete(table)) for table in (t.schedule_runs, t.schedules)])


def make(api: Api, *, headers: Any = None, auth: str = "", **fields: Any) -> Answer:
    body = {"cron": "0 9 * * *", "notification": CONTENT, **fields}
    return api.post(PATH, {k: v for k, v in body.items() if v is not ...}, headers=headers, auth=auth)


def made(api: Api, **fields: Any) -> Any:
    answer = make(api, **fields)
    assert answer.status == 201, answer.body
    return answer.json


def patch(api: Api, id: str, **fields: Any) -> Answer:
    return api.call("PATCH", f"{PATH}/{id}", fields)


def act(api: Api, id: str, action: str, **options: Any) -> Answer:
    return api.call("POST", f"{PATH}/{id}/{action}", **options)


def get(api: Api, id: str) -> Any:
    return api.call("GET", f"{PATH}/{id}").json


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def fire(api: Api, id: str, *, seconds_ago: float = 0) -> None:
    """Let it be due, and do what a worker does first."""
    now = SystemClock().now_ms()
    due = to_datetime(int(now - seconds_ago * 1000))
    api.database.run(
        lambda s: s.execute(update(t.schedules).where(t.schedules.c.id == id).values(next_at=due))
    )
    noise = iter(range(1, 10_000))

    def new_id(ms: int) -> str:
        return uuid7(ms, next(noise).to_bytes(10, "big"))

    api.database.run(lambda s: schedule_runs.claim_due(s, now_ms=now, new_id=new_id))


def test_one_that_is_made_tells_when_it_fires(api):
    found = made(api, cron="30 9 * * MON-FRI", timezone="Europe/Berlin", name="standup")
    assert (found["state"], found["cron"], found["every"]) == ("active", "30 9 * * MON-FRI", None)
    assert (found["catch_up"], found["timezone"], found["skipping"]) == ("once", "Europe/Berlin", None)
    assert found["notification"] == CONTENT
    assert found["sender"].startswith("key:")
    assert len(found["next"]) == 5
    assert all(at(text).weekday() < 5 and at(text).minute == 30 for text in found["next"])
    assert all(a < b for a, b in pairwise(found["next"]))
    assert get(api, found["id"]) == found
    [listed] = api.call("GET", PATH).json["items"]
    assert {**listed, "last_runs": []} == found


def test_every_counts_from_its_start(api):
    start = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    found = made(api, cron=..., every=90, start=start.isoformat().replace("+00:00", ".700Z"))
    assert [at(text) for text in found["next"]] == [start + timedelta(seconds=90 * n) for n in range(5)]
    assert at(found["start"]) == start


def test_an_end_bounds_what_comes(api):
    start = datetime.now(UTC) + timedelta(hours=1)
    end = (start + timedelta(seconds=20)).isoformat()
    found = made(api, cron=..., every=10, start=start.isoformat(), end=end)
    assert len(found["next"]) == 3


LATER, SOON = "2199-01-01T00:00:00Z", (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"cron": ...}, "cron", "Give cron or every."),
        ({"every": 5}, "every", "not both"),
        ({"cron": "0 9 * *"}, "cron", "Five fields"),
        ({"cron": "61 * * * *"}, "cron", "Bad minute"),
        ({"cron": "0 0 30 2 *"}, "cron", "Bad day-of-month"),
        ({"cron": ..., "every": 0}, "every", "greater than or equal to 1"),
        ({"cron": ..., "every": 5, "timezone": "Europe/Berlin"}, "timezone", "Only with cron"),
        ({"timezone": "Mars/Olympus"}, "timezone", "IANA"),
        ({"timezone": "../../etc/passwd"}, "timezone", "IANA"),
        ({"start": "tomorrow"}, "start", "Not an instant"),
        ({"start": "9999-01-01T00:00:00Z"}, "start", "2199"),
        ({"start": LATER, "end": SOON}, "end", "Before the start"),
        ({"end": "2020-01-01T00:00:00Z"}, "end", "never fire"),
        (
            {"cron": "0 0 29 2 *", "start": "2100-03-01T00:00:00Z", "end": "2103-12-31T00:00:00Z"},
            "end",
            "never",
        ),
        ({"catch_up": "maybe"}, "catch_up", "'skip', 'once' or 'all'"),
        ({"colour": 1}, "colour", "no such field"),
        ({"notification": ...}, "notification", "Missing"),
        ({"notification": {**CONTENT, "send_at": None}}, "notification.send_at", "no such field"),
        ({"notification": {**CONTENT, "to": {}}}, "notification.to", "Names nobody"),
        ({"notification": {**CONTENT, "ttl": 10**9}}, "notification.ttl", "More than"),
        (
            {"notification": {**CONTENT, "to": {"everyone": True, "exclude": {"topics": ["x"]}}}},
            "notification.to.exclude",
            "users only",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(api, fields, field, words):
    answer = make(api, **fields)
    assert answer.status == 422, answer.body
    [problem] = answer.json["error"]["detail"]
    assert problem["field"] == field
    assert words in problem["message"]
    assert answer.json["error"]["message"] == f"{field}: {problem['message']}"
    assert api.call("GET", PATH).json["items"] == []


def test_a_repeated_request_makes_no_second_one(api):
    first = make(api, headers={"Idempotency-Key": "k-1"})
    again = make(api, headers={"Idempotency-Key": "k-1"})
    other = make(api, headers={"Idempotency-Key": "k-1"}, name="x")

    assert again.json == first.json
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert (other.status, other.code) == (422, "idempotency_mismatch")
    assert len(api.call("GET", PATH).json["items"]) == 1


def test_the_same_request_from_many_at_once_makes_one(api):
    answers = api.together([lambda: make(api, headers={"Idempotency-Key": "k-2"}) for _ in range(6)])
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1


def test_an_app_has_a_bounded_number(api):
    id = made(api)["id"]
    one = api.database.run(lambda s: s.execute(t.schedules.select()).first())._asdict()
    rows = [{**one, "id": uuid7(n, n.to_bytes(10, "big")), "request_key": None} for n in range(1, 1000)]
    api.database.run(lambda s: s.execute(t.schedules.insert(), rows))

    answer = make(api)
    assert (answer.status, answer.code) == (409, "conflict")
    assert "at most 1000" in answer.json["error"]["message"]
    assert make(api, auth=api.key_of("shop")).status == 201
    assert api.call("DELETE", f"{PATH}/{id}").status == 204
    assert make(api).status == 201


def test_a_change_leaves_the_rest_as_it_was(api):
    before = made(api, timezone="Europe/Berlin", name="a")
    changed = patch(api, before["id"], name="b").json
    assert {**changed, "name": "a", "updated_at": before["updated_at"]} == before

    changed = patch(api, before["id"], cron="0 10 * * *").json
    assert changed["timezone"] == "Europe/Berlin"
    assert changed["next"] != before["next"]

    changed = patch(api, before["id"], every=60, name=None, catch_up="all").json
    assert [changed[name] for name in ("cron", "every", "timezone", "name", "catch_up")] == [
        None, 60, "UTC", None, "all",
    ]  # fmt: skip
    other = {"to": {"topics": ["news"]}, "event": "e"}
    assert patch(api, before["id"], notification=other).json["notification"] == other


def test_a_change_is_judged_as_a_whole(api):
    id = made(api, cron=..., every=60)["id"]
    assert patch(api, id, timezone="Europe/Berlin").status == 422
    assert patch(api, id, end="2020-01-01T00:00:00Z").status == 422
    assert (
        patch(api, id, notification={**CONTENT, "to": {}}).json["error"]["detail"][0]["field"]
        == "notification.to"
    )
    assert patch(api, id, end=LATER).json["end"] == "2199-01-01T00:00:00.000Z"
    assert patch(api, id, start="2199-02-01T00:00:00Z").json["error"]["detail"][0]["field"] == "end"
    assert patch(api, id, end=None).json["end"] is None
    assert patch(api, id, sender="me").status == 422
    assert patch(api, id).status == 200


def test_the_entry_is_what_the_notification_would_be(api):
    content = {**CONTENT, "ttl": 60, "tags": ["a"], "priority": "bulk", "cancel_key": "c"}
    id = made(api, notification=content)["id"]
    row = api.database.run(lambda s: s.execute(t.schedules.select()).one())
    entry = Entry.decode(row.entry.encode())
    assert (entry.users, entry.event, entry.priority, entry.ttl) == (("ana",), "report.ready", "bulk", 60)
    assert (entry.cancel_key, entry.tags_json, entry.app) == ("c", '["a"]', "main")
    patch(api, id, notification={**content, "event": "other"})
    row = api.database.run(lambda s: s.execute(t.schedules.select()).one())
    assert Entry.decode(row.entry.encode()).event == "other"


def test_pause_and_resume_may_be_repeated(api):
    before = made(api)
    for _ in range(2):
        paused = act(api, before["id"], "pause").json
        assert (paused["state"], paused["next"]) == ("paused", [])
    for _ in range(2):
        resumed = act(api, before["id"], "resume").json
        assert (resumed["state"], resumed["next"]) == ("active", before["next"])
    assert patch(api, before["id"], paused=True).json["state"] == "paused"
    # A change of when it fires does not wake it.
    assert patch(api, before["id"], every=5).json["next"] == []
    assert len(patch(api, before["id"], paused=False).json["next"]) == 5


def test_what_passed_during_a_pause_is_not_caught_up(api):
    id = made(api, cron=..., every=1, catch_up="all")["id"]
    act(api, id, "pause")
    long_ago = to_datetime(SystemClock().now_ms() - 3_600_000)
    api.database.run(lambda s: s.execute(update(t.schedules).values(created_at=long_ago)))
    resumed = act(api, id, "resume").json
    assert at(resumed["next"][0]) > datetime.now(UTC) - timedelta(seconds=2)


def test_the_next_one_is_skipped_once(api):
    before = made(api)
    for _ in range(2):
        skipping = act(api, before["id"], "skip-next").json
        assert skipping["skipping"] == before["next"][0]
        assert skipping["next"][:4] == before["next"][1:]
    act(api, before["id"], "pause")
    answer = act(api, before["id"], "skip-next")
    assert (answer.status, answer.json["error"]["message"]) == (409, "It is paused: there is no next one.")
    assert act(api, before["id"], "resume").json["skipping"] is None


def test_a_run_now_is_once_for_its_key(api):
    id = made(api)["id"]
    act(api, id, "pause")
    first = act(api, id, "run-now", headers={"Idempotency-Key": "k"})
    again = act(api, id, "run-now", headers={"Idempotency-Key": "k"})
    other = act(api, id, "run-now")

    assert [answer.status for answer in (first, again, other)] == [202] * 3
    assert (first.json["reason"], first.json["accepted_at"]) == ("run_now", None)
    assert again.json == first.json
    assert again.headers["idempotent-replayed"] == "true"
    assert other.json["notification"] != first.json["notification"]
    assert get(api, id)["last_runs"] == [other.json, first.json]
    assert act(api, id, "run-now", headers={"Idempotency-Key": "é ü"}).status == 422


def test_runs_are_listed_newest_first_page_by_page(api):
    id = made(api, cron=..., every=1, start="2020-01-01T00:00:00Z")["id"]
    fire(api, id, seconds_ago=6.5)

    found, cursor = [], ""
    while True:
        page = api.call("GET", f"{PATH}/{id}/runs?limit=2{cursor}").json
        found += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"

    assert len(found) in (6, 7)
    assert [one["fire_at"] for one in found] == sorted((one["fire_at"] for one in found), reverse=True)
    assert {one["reason"] for one in found} == {"due"}
    assert get(api, id)["last_runs"] == found[:5]


def test_one_that_is_over_says_so(api):
    id = made(api, cron=..., every=1, start="2020-01-01T00:00:00Z", end=SOON)["id"]
    past = to_datetime(SystemClock().now_ms() - 1000)
    api.database.run(lambda s: s.execute(update(t.schedules).values(end_at=past)))
    fire(api, id, seconds_ago=3)
    assert (get(api, id)["state"], get(api, id)["next"]) == ("over", [])
    assert act(api, id, "skip-next").json["error"]["message"] == "It is over: there is no next one."
    assert act(api, id, "resume").json["state"] == "over"
    assert patch(api, id, end=None).json["state"] == "active"


def test_one_that_is_removed_is_gone(api):
    id = made(api)["id"]
    act(api, id, "run-now")
    assert api.call("DELETE", f"{PATH}/{id}").status == 204
    for answer in (
        api.call("DELETE", f"{PATH}/{id}"),
        api.call("GET", f"{PATH}/{id}"),
        api.call("GET", f"{PATH}/{id}/runs"),
        patch(api, id, name="x"),
        *(act(api, id, name) for name in ("pause", "resume", "skip-next", "run-now")),
        api.call("GET", f"{PATH}/nothing"),
    ):
        assert (answer.status, answer.code) == (404, "not_found")
    assert api.database.run(lambda s: s.execute(t.schedule_runs.select()).all()) == []


def test_another_app_sees_nothing_of_it(api):
    id, other = made(api)["id"], api.key_of("shop")
    assert api.call("GET", PATH, auth=other).json["items"] == []
    assert api.call("GET", f"{PATH}/{id}", auth=other).status == 404
    assert api.call("PATCH", f"{PATH}/{id}", {"name": "x"}, auth=other).status == 404
    assert api.call("DELETE", f"{PATH}/{id}", auth=other).status == 404
    assert act(api, id, "run-now", auth=other).status == 404


def test_scopes_are_asked_for(api):
    id = made(api)["id"]
    reader = api.key_of("main", ["schedules:read"])
    assert api.call("GET", f"{PATH}/{id}", auth=reader).status == 200
    assert act(api, id, "pause", auth=reader).status == 403
    assert make(api, auth=reader).status == 403
    assert api.call("GET", PATH, auth=api.key_of("main", ["notifications:write"])).status == 403


def test_lists_go_on_where_they_ended(api):
    ids = [made(api)["id"] for _ in range(3)]
    first = api.call("GET", f"{PATH}?limit=2").json
    rest = api.call("GET", f"{PATH}?limit=2&cursor={first['next']}").json
    assert [one["id"] for one in (*first["items"], *rest["items"])] == ids
    assert rest["next"] is None
    for cursor in ("x", paging.encode("schedules", "no id"), paging.encode("runs", 5)):
        assert api.call("GET", f"{PATH}?cursor={cursor}").status == 422
    for cursor in (
        paging.encode("runs", 10**18),
        paging.encode("runs", -1),
        paging.encode("schedules", ids[0]),
    ):
        assert api.call("GET", f"{PATH}/{ids[0]}/runs?cursor={cursor}").status == 422
