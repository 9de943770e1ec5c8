"""POST /v1/notifications against a real Redis: kept once, found at once, grouped under load."""

import base64
import json
import threading
from collections import Counter

import pytest
import redis

from shared.protocol.journal import Entry
from tests.integration.api.support import Api, store_all, until

GOOD = {"to": {"users": ["ana"]}, "event": "order.paid", "data": {"order": 17}}


@pytest.fixture
def journal(api: Api):
    with redis.Redis.from_url(api.redis_url) as client:
        client.flushdb()
        yield client


def entries(journal: redis.Redis) -> list[Entry]:
    return [Entry.decode(raw) for raw in journal.hvals("journal")]


def jobs(journal: redis.Redis, queue: str = "normal") -> list[list[str]]:
    """The ids of each job on a queue, the oldest first."""
    messages = [json.loads(raw) for raw in reversed(journal.lrange(queue, 0, -1))]
    assert all(message["headers"]["task"] == "bellhop.deliver" for message in messages)
    bodies = [json.loads(base64.b64decode(message["body"])) for message in messages]
    return [kwargs["ids"] for _, kwargs, _ in bodies]


def test_what_was_accepted_is_in_the_journal_and_its_job_carries_the_id_only(api, journal):
    answer = api.post("/v1/notifications", GOOD, headers={"X-Request-Id": "r-17"})

    assert answer.status == 202
    (entry,) = entries(journal)
    assert answer.json == {"id": entry.id, "status": "accepted"}
    assert (entry.users, entry.event, entry.request_id) == (("ana",), "order.paid", "r-17")
    until(lambda: jobs(journal) == [[entry.id]])
    assert b"order.paid" not in journal.lindex("normal", 0)
    assert [line["request_id"] for line in api.lines("request")].count("r-17") == 1


def test_50_identical_posts_at_once_make_one_notification(api, journal):
    headers = {"Idempotency-Key": "order-17-paid"}
    answers = api.together([lambda: api.post("/v1/notifications", GOOD, headers=headers)] * 50)

    assert {answer.status for answer in answers} == {202}
    assert len({answer.body for answer in answers}) == 1
    assert Counter(answer.headers.get("idempotent-replayed") for answer in answers) == {"true": 49, None: 1}
    assert len(entries(journal)) == 1
    until(lambda: len(jobs(journal)) == 1)


def test_50_identical_batches_at_once_make_one_batch(api, journal):
    headers = {"Idempotency-Key": "batch-1"}
    body = {"notifications": [GOOD, {"event": "bad"}, GOOD]}
    answers = api.together([lambda: api.post("/v1/notifications/batch", body, headers=headers)] * 20)

    assert len({answer.body for answer in answers}) == 1
    assert len(entries(journal)) == 2


def test_the_same_key_with_another_body_is_refused(api, journal):
    headers = {"Idempotency-Key": "k"}
    api.post("/v1/notifications", GOOD, headers=headers)

    answer = api.post("/v1/notifications", {**GOOD, "event": "other"}, headers=headers)
    assert (answer.status, answer.code) == (422, "idempotency_mismatch")


def test_posts_that_arrive_together_share_jobs(api, journal):
    answers = api.together([lambda: api.post("/v1/notifications", GOOD)] * 64)

    assert {answer.status for answer in answers} == {202}
    sent = {answer.json["id"] for answer in answers}
    assert len(sent) == 64
    until(lambda: {id for job in jobs(journal) for id in job} == sent)
    assert len(jobs(journal)) < 64


def test_a_batch_of_1000_is_kept_and_sent_in_jobs_of_256_by_priority(api, journal):
    items = [{**GOOD, "priority": "bulk" if number % 2 else "critical"} for number in range(1000)]
    answer = api.post("/v1/notifications/batch", {"notifications": items})

    assert answer.status == 202
    accepted = [item["id"] for item in answer.json["items"]]
    assert len(entries(journal)) == 1000
    until(lambda: sum(map(len, jobs(journal, "bulk") + jobs(journal, "critical"))) == 1000)
    assert [id for job in jobs(journal, "critical") for id in job] == accepted[::2]
    assert [id for job in jobs(journal, "bulk") for id in job] == accepted[1::2]
    assert max(map(len, jobs(journal, "bulk") + jobs(journal, "critical"))) == 256


def test_after_a_202_the_sender_never_hears_404_while_a_worker_stores_it(api, journal):
    stop = threading.Event()
    statuses: Counter[tuple[int, str]] = Counter()
    accepted: list[str] = []

    def follow() -> None:
        while not stop.is_set():
            for id in accepted[-5:]:
                answer = api.call("GET", f"/v1/notifications/{id}")
                statuses[answer.status, answer.json.get("status", "")] += 1

    threads = [threading.Thread(target=follow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        accepted.append(api.post("/v1/notifications", GOOD).json["id"])
        store_all(api)
    stop.set()
    for thread in threads:
        thread.join()

    assert {status for status, _ in statuses} == {200}


def test_a_notification_is_followed_from_the_journal_into_the_database(api, journal):
    id = api.post("/v1/notifications", {**GOOD, "tags": ["t"], "cancel_key": "c"}).json["id"]
    before = api.call("GET", f"/v1/notifications/{id}").json
    assert api.call("GET", f"/v1/notifications/{id}/deliveries").json == {"items": [], "next": None}
    store_all(api)
    after = api.call("GET", f"/v1/notifications/{id}").json

    assert (before["status"], before["recipients"], before["counts"]) == ("accepted", None, {})
    assert (after["recipients"], after["counts"]) == (1, {"pending": 1})
    assert [hop["hop"] for hop in before["timeline"]] == ["accepted"]
    assert [hop["hop"] for hop in after["timeline"]] == ["accepted", "stored"]
    for name in ("id", "event", "data", "ttl", "accepted_at", "expires_at", "sender", "request_id"):
        assert before[name] == after[name]
    (delivery,) = api.call("GET", f"/v1/notifications/{id}/deliveries").json["items"]
    assert (delivery["user"], delivery["state"]) == ("ana", "pending")


def test_deliveries_are_listed_page_by_page(api, journal):
    names = [f"user-{number}" for number in range(5)]
    id = api.post("/v1/notifications", {"to": {"users": names}, "event": "e"}).json["id"]
    store_all(api)

    found, cursor = [], ""
    for _ in range(3):
        answer = api.call("GET", f"/v1/notifications/{id}/deliveries?limit=2{cursor}").json
        found += [item["user"] for item in answer["items"]]
        cursor = f"&cursor={answer['next']}"
    assert sorted(found) == names
    assert answer["next"] is None
    assert api.call("GET", f"/v1/notifications/{id}/deliveries?state=delivered").json["items"] == []
    assert api.call("GET", f"/v1/notifications/{id}/deliveries?cursor=x").code == "invalid_request"


def test_what_could_not_be_stored_at_all_is_failed_and_not_gone(api, journal):
    id = api.post("/v1/notifications", GOOD).json["id"]
    raw = journal.hget("journal", id)
    journal.hset("journal:dead", id, b"too odd\n" + raw)
    journal.hdel("journal", id)

    answer = api.call("GET", f"/v1/notifications/{id}")
    assert (answer.status, answer.json["status"]) == (200, "failed")
    assert answer.json["timeline"][-1]["reason"] == "too odd"


def test_what_a_newer_api_accepted_is_not_denied_and_what_is_no_entry_does_not_exist(api, journal):
    newer, unreadable = (api.post("/v1/notifications", GOOD).json["id"] for _ in range(2))
    journal.hset("journal", newer, b'{"v":99}')
    journal.hdel("journal", unreadable)
    journal.hset("journal:dead", unreadable, b"unreadable\n\xff{")

    answer = api.call("GET", f"/v1/notifications/{newer}")
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert api.call("GET", f"/v1/notifications/{unreadable}").status == 404
    assert api.post(f"/v1/notifications/{newer}/retry", None).status == 404
    journal.hdel("journal", newer)
