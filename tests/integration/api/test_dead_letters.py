"""What failed is listed for its sender, and goes through again when the sender asks."""

from collections.abc import Iterator

import pytest

from shared.clock import SystemClock
from shared.protocol.journal import Entry
from shared.redis import client
from shared.redis.journal import Journal
from shared.store.rescues import store_failed
from tests.integration.api.support import Api, store_all

GOOD = {"to": {"users": ["ana", "bob"]}, "event": "order.paid", "data": {"n": 1}, "priority": "critical"}


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
