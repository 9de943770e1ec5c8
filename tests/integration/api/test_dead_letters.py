"""What failed is listed for its sender, and goes through again when the sender asks."""

import base64
import json
from collections.abc import Iterator

import pytest

from api.dead_letters import DeadLetters
from shared.clock import SystemClock
from shared.protocol.journal import Entry
from shared.queue import QueueUnavailable
from shared.redis import client
from shared.redis.journal import Bounds, Journal
from shared.store import page_failures
from shared.store.groups import store_group
from shared.store.pages import mark_pages_published
from shared.store.publishing import unpublished
from shared.store.rescues import store_failed
from tests.integration.api.support import Api, store_all
from tests.integration.store.support import stored_page

GOOD = {"to": {"users": ["ana", "bob"]}, "event": "order.paid", "data": {"n": 1}, "priority": "critical"}
BIG = {**GOOD, "to": {"users": [f"big-{number}" for number in range(6)]}}


@pytest.fixture(autouse=True)
def redis(api: Api) -> Iterator[object]:
    """The api's Redis, emptied; all that had failed has been sent."""
    connection = client.connect(api.redis_url)
    connection.flushdb()
    yield connection
    for letter in listed(api):
        api.post(f"/v1/notifications/{letter['id']}/retry", None)
    store_all(api)
    connection.close()


def listed(api: Api, **options: object) -> list[dict]:
    answer = api.call("GET", "/v1/dead-letters?limit=100", **options)
    assert answer.status == 200, answer.body
    return answer.json["items"]


def post(api: Api, **options: object) -> str:
    return str(api.post("/v1/notifications", GOOD, **options).json["id"])


def fail(api: Api, redis, *ids: str, blank: bool = False) -> None:
    """What a worker does after the last attempt."""
    journal = Journal(redis)
    for id, raw in zip(ids, journal.raw(ids), strict=True):
        entry, now = Entry.decode(raw), SystemClock().now_ms()
        api.database.run(
            lambda session, entry=entry, now=now: store_failed(
                session, entry, error="broken", attempts=8, now_ms=now, blank=blank
            )
        )
        if blank:
            journal.bury(id, "broken")
        else:
            journal.done([id])


def send_page(api: Api, id: str, number: int) -> list[str] | None:
    """What a worker does with a page; whom it went to."""
    now = SystemClock().now_ms()
    frames = stored_page(api.database, id, number, now)
    if frames is None:
        return None
    api.database.run(lambda session: mark_pages_published(session, id, [number], now))
    return sorted(item.user for item in frames.items)


def fail_a_page(api: Api, redis, id: str) -> None:
    """What a worker does with three pages of two, the second of which cannot be stored; the last is left."""
    journal, now = Journal(redis), SystemClock().now_ms()
    entry = Entry.decode(journal.raw([id])[0])
    api.database.run(lambda session: store_group(session, [entry], now_ms=now, push_after_s=30, page_size=2))
    journal.done([id])
    send_page(api, id, 0)

    def give_up(session) -> None:
        assert page_failures.count(session, id, 1, error="DataError: bad value") == 1
        page_failures.give_up(session, id, 1, now_ms=now)

    api.database.run(give_up)
    for queue in ("critical", "normal", "bulk"):
        redis.delete(queue)


def page_jobs(redis, queue: str = "critical") -> list[tuple[str, int]]:
    """(id, number) of the page jobs that wait."""
    jobs = [json.loads(raw) for raw in redis.lrange(queue, 0, -1)]
    found = [json.loads(base64.b64decode(job["body"]))[1] for job in jobs]
    return [(args["id"], args["number"]) for args in found]


def test_one_that_failed_in_part_is_listed_and_a_retry_sends_only_what_is_missing(api, redis):
    id = str(api.post("/v1/notifications", BIG).json["id"])
    path = f"/v1/notifications/{id}"
    fail_a_page(api, redis, id)
    assert api.call("GET", path).json["status"] == "sending"
    assert api.post(f"{path}/retry", None).status == 409
    assert send_page(api, id, 2) == ["big-4", "big-5"]

    [letter] = listed(api)
    assert (letter["id"], letter["reason"]) == (id, "page 1: DataError: bad value")
    assert (letter["recipients"], letter["attempts"], letter["event"]) == (6, 1, "order.paid")
    found = api.call("GET", path).json
    assert (found["status"], found["counts"]) == ("failed", {"failed": 2, "sent": 4})
    assert [hop["reason"] for hop in found["timeline"] if hop["hop"] == "failed"] == [letter["reason"]]

    for _ in range(2):  # the second time it is on its way already
        answer = api.post(f"{path}/retry", None)
        assert (answer.status, answer.json) == (202, {"id": id, "status": "accepted"})
    assert page_jobs(redis) == [(id, 1)]
    assert Journal(redis).depth()[0] == 0
    assert api.call("GET", path).json["status"] == "sending"
    assert listed(api) == []

    assert [send_page(api, id, number) for number in range(3)] == [None, ["big-2", "big-3"], None]
    after = api.call("GET", path).json
    assert (after["status"], after["counts"]) == ("sent", {"sent": 6})
    assert len(api.call("GET", f"{path}/deliveries").json["items"]) == 6
    assert api.post(f"{path}/retry", None).code == "conflict"


def test_another_apps_failed_pages_do_not_exist(api, redis):
    id = str(api.post("/v1/notifications", BIG).json["id"])
    fail_a_page(api, redis, id)
    send_page(api, id, 2)
    shop = api.key_of("shop")

    assert listed(api, auth=shop) == []
    assert api.post(f"/v1/notifications/{id}/retry", None, auth=shop).status == 404
    assert [letter["id"] for letter in listed(api)] == [id]


def test_pages_whose_jobs_the_broker_did_not_take_are_left_to_the_reconciler(api, redis):
    id = str(api.post("/v1/notifications", BIG).json["id"])
    fail_a_page(api, redis, id)
    send_page(api, id, 2)

    def broken(*_: object) -> None:
        raise QueueUnavailable

    clock, bounds = SystemClock(), Bounds(entries=100, bytes=1 << 20)
    letters = DeadLetters(api.database, Journal(redis), broken, clock=clock, bounds=bounds)

    assert letters.retry("main", id) == {"id": id, "status": "accepted"}

    with api.database.session() as session:
        # What the reconciler looks for: nobody has touched it for 15 s.
        found = unpublished(session, older_than_ms=clock.now_ms() - 15_000 + 1, limit=100)
    assert (id, 1) in {(page.notification_id, page.number) for page in found.pages}
    assert send_page(api, id, 1) == ["big-2", "big-3"]


@pytest.mark.parametrize("blank", [False, True], ids=["row", "dead list"])
def test_a_failed_one_is_listed_retried_and_delivered_under_its_id(api, redis, blank):
    id = post(api)
    fail(api, redis, id, blank=blank)
    [letter] = listed(api)
    assert (letter["id"], letter["event"], letter["reason"]) == (id, "order.paid", "broken")
    assert (letter["attempts"], letter["priority"]) == (8, "critical")
    assert letter["failed_at"]

    for _ in range(2):  # the second time it is on its way already
        answer = api.post(f"/v1/notifications/{id}/retry", None)
        assert (answer.status, answer.json) == (202, {"id": id, "status": "accepted"})
    assert api.call("GET", f"/v1/notifications/{id}").json["status"] == "accepted"
    assert Journal(redis).depth()[0] == 1
    assert redis.llen("critical") == 2  # the post's job and one of the retry

    assert store_all(api) == [id]
    after = api.call("GET", f"/v1/notifications/{id}").json
    assert (after["status"], after["data"], after["counts"]) == ("sending", {"n": 1}, {"pending": 2})
    assert [hop["reason"] for hop in after["timeline"] if hop["hop"] == "failed"] == ["broken"]
    assert listed(api) == []
    assert api.post(f"/v1/notifications/{id}/retry", None).code == "conflict"


def test_a_retried_one_lives_for_its_whole_ttl_again(api, redis):
    id = post(api)
    accepted = Entry.decode(Journal(redis).raw([id])[0])
    fail(api, redis, id)
    begun = SystemClock().now_ms()

    api.post(f"/v1/notifications/{id}/retry", None)

    again = Entry.decode(Journal(redis).raw([id])[0])
    assert again.accepted_at == accepted.accepted_at
    assert again.expires_at >= begun + again.ttl * 1000


def test_what_has_not_failed_is_a_conflict_and_what_is_not_there_is_not_found(api, redis):
    waiting = post(api)
    assert api.post(f"/v1/notifications/{waiting}/retry", None).status == 409
    store_all(api)
    assert api.post(f"/v1/notifications/{waiting}/retry", None).status == 409
    for unknown in ("01990000-0000-7000-8000-000000000000", "nonsense"):
        assert api.post(f"/v1/notifications/{unknown}/retry", None).status == 404


def test_another_apps_failures_do_not_exist(api, redis):
    shop = api.key_of("shop")
    ids = [post(api), post(api)]
    fail(api, redis, ids[0])
    fail(api, redis, ids[1], blank=True)
    redis.hset("journal:dead", mapping={b"\xff": b"x\n{", "01990000-0000-7000-8000-000000000001": b"x\n\xff"})

    assert listed(api, auth=shop) == []
    for id in (*ids, "01990000-0000-7000-8000-000000000001"):
        assert api.post(f"/v1/notifications/{id}/retry", None, auth=shop).status == 404
    assert api.post("/v1/notifications/01990000-0000-7000-8000-000000000001/retry", None).status == 404
    assert [letter["id"] for letter in listed(api)] == ids[::-1]


def test_letters_of_rows_and_of_the_dead_list_are_one_list_page_by_page(api, redis):
    ids = [post(api) for _ in range(9)]
    fail(api, redis, *ids[::3])
    fail(api, redis, *ids[1::3], blank=True)
    Journal(redis).bury(ids[2], "no row at all")
    Journal(redis).bury(ids[5], "no row at all")
    Journal(redis).bury(ids[8], "no row at all")

    found, path = [], "/v1/dead-letters?limit=2"
    while path:
        page = api.call("GET", path).json
        assert len(page["items"]) <= 2
        found += [letter["id"] for letter in page["items"]]
        path = page["next"] and f"/v1/dead-letters?limit=2&cursor={page['next']}"

    assert found == ids[::-1]
    assert api.call("GET", "/v1/dead-letters?cursor=nonsense").status == 422


def test_the_scopes_of_letters_are_those_of_notifications(api):
    reader = api.key_of("main", ["notifications:read"])
    writer = api.key_of("main", ["notifications:write"])
    path = "/v1/notifications/01990000-0000-7000-8000-000000000000/retry"

    assert api.call("GET", "/v1/dead-letters", auth=reader).status == 200
    assert api.call("GET", "/v1/dead-letters", auth=writer).status == 403
    assert api.post(path, None, auth=writer).status == 404
    assert api.post(path, None, auth=reader).status == 403
