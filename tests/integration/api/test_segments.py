"""Segments over HTTP on real databases: kept, listed, tried, previewed, and sent to."""

from collections.abc import Iterator

import pytest
import redis

from shared.protocol.journal import Entry
from tests.integration.api.support import Api, store_all

PAID = {"attribute": "plan", "is": "paid"}


@pytest.fixture
def key(api: Api, request: pytest.FixtureRequest) -> str:
    """A key of an app of this test's own, in which nobody is known."""
    return api.key_of(f"app-{abs(hash(request.node.name)) % 10**10}")


@pytest.fixture
def journal(api: Api) -> Iterator[redis.Redis]:
    """What is accepted, empty before and after."""
    with redis.Redis.from_url(api.redis_url) as client:
        client.flushdb()
        yield client
        client.flushdb()


def put(api: Api, key: str, name: str, rule: object) -> int:
    return api.call("PUT", f"/v1/segments/{name}", {"rule": rule}, auth=key).status


def know(api: Api, key: str, user: str, **values: object) -> None:
    assert api.call("PUT", f"/v1/users/{user}", values, auth=key).status in (200, 201)


def preview(api: Api, key: str, to: object) -> tuple[int, list[str]]:
    answer = api.post("/v1/notifications/preview", {"to": to}, auth=key)
    assert answer.status == 200, answer.body
    return answer.json["count"], answer.json["sample"]


def entry(journal: redis.Redis) -> Entry:
    (found,) = (Entry.decode(raw) for raw in journal.hvals("journal"))
    return found


def test_a_segment_is_kept_as_it_was_written_until_it_is_deleted(api: Api, key: str) -> None:
    rule = {"all": [PAID, {"any": [{"attribute": "age", "gte": 18}, {"locale": {"is": "pt"}}]}]}
    assert put(api, key, "a", PAID) == 201
    assert put(api, key, "a", rule) == 200
    found = api.call("GET", "/v1/segments/a", auth=key)
    assert (found.status, found.json["name"], found.json["rule"]) == (200, "a", rule)
    assert found.json["updated_at"] > found.json["created_at"]

    assert api.call("GET", "/v1/segments/a").status == 404
    assert api.call("DELETE", "/v1/segments/a").status == 404
    assert api.call("DELETE", "/v1/segments/a", auth=key).status == 204
    assert api.call("DELETE", "/v1/segments/a", auth=key).status == 404
    assert api.call("GET", "/v1/segments/a", auth=key).status == 404


def test_the_list_goes_through_all_of_them_once(api: Api, key: str) -> None:
    names = ["B", "a", "a-1", "a.1", "a:1", "a_1", "preview"]
    for name in names:
        assert put(api, key, name, PAID) == 201
    found, cursor = [], ""
    while cursor is not None:
        answer = api.call("GET", f"/v1/segments?limit=3{cursor and '&cursor='}{cursor}", auth=key).json
        found += [item["name"] for item in answer["items"]]
        cursor = answer["next"]
    assert found == sorted(names)
    assert api.call("GET", "/v1/segments?cursor=x", auth=key).status == 422


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({}, "rule"),
        ({"all": [PAID, {"attribute": "age", "gte": True}]}, "rule.all[1].gte"),
        ({"timezone": {"is": "Europe/Lisbom"}}, "rule.timezone.is"),
        ({"attribute": "a", "is": "\x00"}, "rule.is"),
    ],
)
def test_what_is_no_rule_is_refused_by_its_place(api: Api, key: str, rule: object, field: str) -> None:
    for answer in (
        api.call("PUT", "/v1/segments/a", {"rule": rule}, auth=key),
        api.post("/v1/segments/preview", {"rule": rule}, auth=key),
    ):
        assert (answer.status, answer.json["error"]["detail"][0]["field"]) == (422, field)
    assert api.call("GET", "/v1/segments", auth=key).json["items"] == []


def test_a_rule_is_tried_without_being_kept(api: Api, key: str) -> None:
    know(api, key, "ana", attributes={"plan": "paid"}, locale="pt-BR", timezone="Europe/Lisbon")
    know(api, key, "bob", attributes={"plan": "free"})
    for rule, names in (
        (PAID, ["ana"]),
        ({"not": PAID}, ["bob"]),
        ({"timezone": {"in": ["UTC", "Europe/Lisbon"]}}, ["ana"]),
        ({"locale": {"is": "pt"}}, ["ana"]),
        ({"attribute": "plan", "exists": True}, ["ana", "bob"]),
    ):
        answer = api.post("/v1/segments/preview", {"rule": rule}, auth=key)
        assert answer.json == {"count": len(names), "sample": names}
    assert api.call("GET", "/v1/segments", auth=key).json["items"] == []


def test_users_topics_and_segments_together_are_previewed_as_they_are_sent(
    api: Api, key: str, journal: redis.Redis
) -> None:
    for user, plan in (("ana", "paid"), ("bob", "paid"), ("cyd", "free"), ("dan", "paid"), ("eve", "free")):
        know(api, key, user, attributes={"plan": plan, "beta": user in ("dan", "eve")})
    put(api, key, "paid", PAID)
    put(api, key, "beta", {"attribute": "beta", "is": True})
    api.post("/v1/topics/news/subscribers", {"users": ["ana", "cyd", "eve"]}, auth=key)
    to = {
        "users": ["new", "bob"],
        "topics": ["news"],
        "segments": ["paid"],
        "exclude": {"segments": ["beta"]},
        "exclude_actor": "ana",
    }

    assert preview(api, key, to) == (3, ["new", "bob", "cyd"])
    assert api.post("/v1/notifications", {"to": to, "event": "e"}, auth=key).status == 202
    kept = entry(journal)
    assert (kept.segments, kept.exclude_segments, kept.exclude) == (("paid",), ("beta",), ("ana",))
    (id,) = store_all(api)
    found = api.call("GET", f"/v1/notifications/{id}", auth=key).json
    assert found["recipients"] == 3
    items = api.call("GET", f"/v1/notifications/{id}/deliveries", auth=key).json["items"]
    assert {item["user"] for item in items} == {"new", "bob", "cyd"}


def test_everyone_less_a_segment_leaves_out_by_name_who_is_in_it_now(
    api: Api, key: str, journal: redis.Redis
) -> None:
    for user in ("ana", "bob", "cyd"):
        know(api, key, user, attributes={"plan": "free" if user == "cyd" else "paid"})
    put(api, key, "paid", PAID)
    to = {"everyone": True, "exclude": {"segments": ["paid"]}, "exclude_actor": "dan"}

    assert preview(api, key, to) == (1, ["cyd"])
    assert api.post("/v1/notifications", {"to": to, "event": "e"}, auth=key).status == 202
    kept = entry(journal)
    assert (kept.everyone, kept.exclude, kept.exclude_segments) == (True, ("ana", "bob", "dan"), ())


def test_a_segment_that_does_not_exist_is_refused_by_its_place(
    api: Api, key: str, journal: redis.Redis
) -> None:
    put(api, key, "paid", PAID)
    for to, field in (
        ({"segments": ["paid", "no-such"]}, "to.segments[1]"),
        ({"users": ["ana"], "exclude": {"segments": ["no-such"]}}, "to.exclude.segments[0]"),
        ({"everyone": True, "exclude": {"segments": ["no-such"]}}, "to.exclude.segments[0]"),
    ):
        for answer in (
            api.post("/v1/notifications", {"to": to, "event": "e"}, auth=key),
            api.post("/v1/notifications/preview", {"to": to}, auth=key),
        ):
            problem = answer.json["error"]["detail"][0]
            assert (answer.status, problem) == (
                422,
                {"field": field, "message": "There is no segment no-such."},
            )
    assert journal.hlen("journal") == 0
    # The segment of another app is none.
    assert api.post("/v1/notifications", {"to": {"segments": ["paid"]}, "event": "e"}).status == 422


def test_one_deleted_before_it_is_stored_has_nobody_in_it_and_the_sender_is_told(
    api: Api, key: str, journal: redis.Redis
) -> None:
    know(api, key, "ana", attributes={"plan": "paid"})
    put(api, key, "paid", PAID)
    to = {"segments": ["paid"], "users": ["bob"]}
    id = api.post("/v1/notifications", {"to": to, "event": "e"}, auth=key).json["id"]
    assert api.call("DELETE", "/v1/segments/paid", auth=key).status == 204
    # The process that deleted it accepts it no more.
    assert api.post("/v1/notifications", {"to": to, "event": "e"}, auth=key).status == 422
    store_all(api)

    found = api.call("GET", f"/v1/notifications/{id}", auth=key).json
    assert found["recipients"] == 1
    reasons = {hop["hop"]: hop.get("reason") for hop in found["timeline"]}
    assert reasons["stored"] == "no such segment any more: paid"


def test_a_user_has_a_zone_that_exists_and_a_language_tag(api: Api, key: str) -> None:
    for values, field in (
        ({"timezone": "Europe/Lisbom"}, "timezone"),
        ({"timezone": "localtime"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"locale": "pt_BR"}, "locale"),
        ({"locale": "x" * 40}, "locale"),
    ):
        answer = api.call("PUT", "/v1/users/ana", values, auth=key)
        assert (answer.status, answer.json["error"]["detail"][0]["field"]) == (422, field)
    assert api.call("GET", "/v1/users/ana", auth=key).status == 404
    answer = api.call("PUT", "/v1/users/ana", {"timezone": None, "locale": "zh-Hant-TW"}, auth=key)
    assert (answer.status, answer.json["locale"]) == (201, "zh-Hant-TW")
