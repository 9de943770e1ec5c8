"""Topics, audiences and previews against real databases: what was subscribed is what is found, told and sent to."""

from urllib.parse import quote

import pytest
import redis

from shared.domain import paging
from shared.protocol.journal import Entry
from tests.integration.api.support import Answer, Api, store_all


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """The first segment of every topic of this test; users that belong to it begin with it too."""
    return request.node.originalname.removeprefix("test_")[:30]


@pytest.fixture
def journal(api: Api):
    with redis.Redis.from_url(api.redis_url) as client:
        client.flushdb()
        yield client


def path(topic: str, *more: str) -> str:
    return "/".join(
        ["/v1/topics", quote(topic, safe=""), "subscribers", *(quote(one, safe="") for one in more)]
    )


def subscribe(api: Api, topic: str, *users: str, **options) -> Answer:
    return api.post(path(topic), {"users": list(users)}, **options)


def subscribers(api: Api, topic: str, **options) -> list[str]:
    return [item["user"] for item in api.call("GET", path(topic), **options).json["items"]]


def listed(api: Api, address: str, field: str) -> list[str]:
    """All items of a list, two at a time."""
    found, cursor = [], ""
    while True:
        page = api.call("GET", f"{address}{'&' if '?' in address else '?'}limit=2{cursor}").json
        assert len(page["items"]) <= 2
        assert page["items"] or not cursor, "a last page that holds nothing"
        found += [item[field] for item in page["items"]]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


def preview(api: Api, to: dict) -> tuple[int, list[str]]:
    answer = api.post("/v1/notifications/preview", {"to": to})
    assert answer.status == 200, answer.body
    return answer.json["count"], answer.json["sample"]


def receivers(api: Api, to: dict) -> list[str]:
    """Send, store as a worker does, and tell who has it."""
    answer = api.post("/v1/notifications", {"to": to, "event": "e"})
    assert answer.status == 202, answer.body
    store_all(api)
    found = api.call("GET", f"/v1/notifications/{answer.json['id']}/deliveries").json["items"]
    assert api.call("GET", f"/v1/notifications/{answer.json['id']}").json["recipients"] == len(found)
    return sorted(item["user"] for item in found)


def test_one_user_is_subscribed_once_and_unsubscribed_once(api, topic):
    user = f"{topic}/ana é"
    for _ in range(2):
        assert api.call("PUT", path(f"{topic}/a/#", user)).status == 204
    (item,) = api.call("GET", path(f"{topic}/a/#")).json["items"]
    assert item["user"] == user
    assert item["subscribed_at"].endswith("Z")
    assert subscribers(api, f"{topic}/a") == []
    assert api.call("GET", f"/v1/users/{quote(user, safe='')}/topics").json["items"] == [
        {"topic": f"{topic}/a/#"}
    ]

    for _ in range(2):
        assert api.call("DELETE", path(f"{topic}/a/#", user)).status == 204
    assert subscribers(api, f"{topic}/a/#") == []
    assert api.call("GET", f"/v1/users/{quote(user, safe='')}").status == 200


def test_unsubscribing_somebody_unknown_is_no_error_and_makes_nobody(api, topic):
    assert api.call("DELETE", path(topic, f"{topic}-nobody")).status == 204
    assert api.post(path(topic, "remove"), {"users": [f"{topic}-nobody"]}).json == {"removed": 0}

    assert api.call("GET", f"/v1/users/{topic}-nobody").status == 404
    assert api.call("GET", f"/v1/users/{topic}-nobody/topics").status == 404


def test_many_are_counted_once_each(api, topic):
    ana, bob, cy = (f"{topic}-{name}" for name in ("ana", "bob", "cy"))
    assert subscribe(api, topic, ana, bob, ana).json == {"added": 2}
    assert subscribe(api, topic, bob, cy).json == {"added": 1}
    assert sorted(subscribers(api, topic)) == [ana, bob, cy]

    assert api.post(path(topic, "remove"), {"users": [bob, bob, f"{topic}-x"]}).json == {"removed": 1}
    assert sorted(subscribers(api, topic)) == [ana, cy]


def test_the_same_subscription_asked_for_20_times_at_once_is_one(api, topic):
    user, other = f"{topic}-ana", f"{topic}-bob"
    put = [lambda: api.call("PUT", path(topic, user)).status] * 10
    add = [lambda: subscribe(api, topic, other, user).status] * 10

    assert set(api.together(put + add)) <= {200, 204}
    assert sorted(subscribers(api, topic)) == [user, other]


def test_a_user_named_remove_can_be_subscribed_and_unsubscribed(api, topic):
    assert api.call("PUT", path(topic, "remove")).status == 204
    assert subscribers(api, topic) == ["remove"]
    assert api.call("DELETE", path(topic, "remove")).status == 204
    assert subscribers(api, topic) == []


def test_case_counts_in_topics_and_users(api, topic):
    subscribe(api, f"{topic}/News", f"{topic}-ana")
    subscribe(api, f"{topic}/news", f"{topic}-Ana")

    assert subscribers(api, f"{topic}/News") == [f"{topic}-ana"]
    assert subscribers(api, f"{topic}/news") == [f"{topic}-Ana"]
    assert receivers(api, {"topics": [f"{topic}/news"]}) == [f"{topic}-Ana"]


def test_lists_come_in_pages_without_hole_or_repeat(api, topic):
    users = [f"{topic}-{number}" for number in range(6)]
    names = sorted(f"{topic}/{name}" for name in ("a", "a/b", "a/#", "a-b", "#", "b"))
    for name in names:
        subscribe(api, name, *users)

    assert sorted(listed(api, path(names[0]), "user")) == users
    assert listed(api, f"/v1/users/{users[0]}/topics", "topic") == names
    assert listed(api, f"/v1/topics?prefix={topic}", "topic") == names
    assert listed(api, f"/v1/topics?prefix={topic}/a", "topic") == [
        f"{topic}/{name}" for name in ("a", "a/#", "a/b")
    ]
    (first, *_) = api.call("GET", f"/v1/topics?prefix={topic}").json["items"]
    assert first == {"topic": names[0], "subscribers": 6}


def test_a_cursor_of_another_list_is_refused(api, topic):
    subscribe(api, topic, f"{topic}-1", f"{topic}-2")
    cursor = api.call("GET", f"{path(topic)}?limit=1").json["next"]

    for address in ("/v1/topics", f"/v1/users/{topic}-1/topics"):
        answer = api.call("GET", f"{address}?cursor={cursor}")
        assert (answer.status, answer.json["error"]["detail"][0]["field"]) == (422, "cursor")
    forged = paging.encode("topics", "a\x00b")
    assert api.call("GET", f"/v1/topics?cursor={forged}").status == 422


def test_another_app_has_topics_and_subscribers_of_its_own(api, topic):
    subscribe(api, topic, f"{topic}-ana")
    other = api.key_of("shop")
    assert subscribers(api, topic, auth=other) == []
    assert api.call("GET", f"/v1/topics?prefix={topic}", auth=other).json["items"] == []

    subscribe(api, topic, f"{topic}-bob", auth=other)
    api.post(path(topic, "remove"), {"users": [f"{topic}-ana"]}, auth=other)
    assert subscribers(api, topic) == [f"{topic}-ana"]
    assert receivers(api, {"topics": [topic]}) == [f"{topic}-ana"]


def test_who_is_erased_is_subscribed_to_nothing_and_stays_so_on_return(api, topic):
    subscribe(api, topic, f"{topic}-ana", f"{topic}-bob")
    api.call("DELETE", f"/v1/users/{topic}-ana")
    assert subscribers(api, topic) == [f"{topic}-bob"]

    api.call("PUT", f"/v1/users/{topic}-ana", {})
    assert api.call("GET", f"/v1/users/{topic}-ana/topics").json["items"] == []
    assert receivers(api, {"topics": [topic]}) == [f"{topic}-bob"]


def test_a_preview_names_those_who_then_get_it(api, journal, topic):
    ana, bob, cy, dan, eve = (f"{topic}-{name}" for name in ("ana", "bob", "cy", "dan", "eve"))
    subscribe(api, f"{topic}/42/build", ana, bob)
    subscribe(api, f"{topic}/42/#", ana, cy, dan)
    subscribe(api, f"{topic}/4", eve)
    for to, expected in [
        ({"topics": [f"{topic}/42/build"]}, [ana, bob, cy, dan]),
        ({"topics": [f"{topic}/42"]}, [ana, cy, dan]),
        (
            {"topics": [f"{topic}/42/build"], "users": [ana, f"{topic}-new"]},
            [ana, bob, cy, dan, f"{topic}-new"],
        ),
        ({"topics": [f"{topic}/42/build"], "exclude": {"users": [ana, dan]}}, [bob, cy]),
        (
            {"topics": [f"{topic}/42/build"], "users": [eve], "exclude": {"topics": [f"{topic}/42/x"]}},
            [bob, eve],
        ),
        ({"topics": [f"{topic}/nobody"]}, []),
    ]:
        count, sample = preview(api, to)
        assert (count, sorted(sample)) == (len(expected), sorted(expected)), to
        assert receivers(api, to) == sorted(expected), to


def test_a_topic_that_nobody_is_subscribed_to_is_accepted_and_completed(api, topic):
    id = api.post("/v1/notifications", {"to": {"topics": [topic]}, "event": "e"}).json["id"]
    store_all(api)

    found = api.call("GET", f"/v1/notifications/{id}").json
    assert (found["status"], found["recipients"], found["counts"]) == ("completed", 0, {})


def test_a_preview_makes_nobody_and_sends_nothing(api, journal, topic):
    assert preview(api, {"users": [f"{topic}-new"]}) == (1, [f"{topic}-new"])

    assert api.call("GET", f"/v1/users/{topic}-new").status == 404
    assert journal.hlen("journal") == 0


def test_a_preview_counts_all_and_names_twenty(api, topic):
    subscribe(api, topic, *(f"{topic}-{number}" for number in range(30)))
    count, sample = preview(api, {"topics": [topic]})

    assert (count, len(sample), len(set(sample))) == (30, 20, 20)


def test_a_preview_of_everyone_counts_who_is_known(api, topic):
    subscribe(api, topic, f"{topic}-ana", f"{topic}-bob")
    before, _ = preview(api, {"everyone": True})
    subscribe(api, topic, f"{topic}-cy")
    out = {"users": [f"{topic}-cy", f"{topic}-nobody"]}

    assert preview(api, {"everyone": True})[0] == before + 1
    assert preview(api, {"everyone": True, "exclude": out})[0] == before
    assert preview(api, {"everyone": True, "exclude": {"topics": [topic]}})[0] == before - 2
    api.call("DELETE", f"/v1/users/{topic}-cy")
    assert preview(api, {"everyone": True})[0] == before


def test_a_preview_of_everyone_in_a_small_app_names_all_but_the_excluded(api, topic):
    key = api.key_of("small")
    subscribe(api, topic, "ana", "bob", auth=key)
    subscribe(api, f"{topic}/2", "cy", "dan", auth=key)
    to = {"everyone": True, "exclude": {"users": ["dan"], "topics": [topic]}}
    answer = api.post("/v1/notifications/preview", {"to": to}, auth=key)

    assert answer.json == {"count": 1, "sample": ["cy"]}


def test_everyone_less_a_topic_leaves_out_who_is_subscribed_when_it_is_accepted(api, journal, topic):
    subscribe(api, f"{topic}/#", f"{topic}-ana")
    to = {"everyone": True, "exclude": {"users": [f"{topic}-bob"], "topics": [f"{topic}/x"]}}
    assert api.post("/v1/notifications", {"to": to, "event": "e"}).status == 202

    (entry,) = (Entry.decode(raw) for raw in journal.hvals("journal"))
    assert (entry.everyone, sorted(entry.exclude)) == (True, [f"{topic}-ana", f"{topic}-bob"])
    assert (entry.topics, entry.exclude_topics) == ((), ())


def test_everyone_leaves_out_at_most_1000(api, journal, topic):
    subscribe(api, topic, *(f"{topic}-{number}" for number in range(1000)))
    to = {"everyone": True, "exclude": {"users": [f"{topic}-0"], "topics": [topic]}}
    assert api.post("/v1/notifications", {"to": to, "event": "e"}).status == 202
    (entry,) = (Entry.decode(raw) for raw in journal.hvals("journal"))
    assert len(entry.exclude) == 1000

    to["exclude"]["users"].append(f"{topic}-other")
    for answer in (
        api.post("/v1/notifications", {"to": to, "event": "e"}),
        api.post("/v1/notifications/preview", {"to": to}),
    ):
        assert (answer.status, answer.json["error"]["detail"][0]["field"]) == (422, "to.exclude")
    subscribe(api, topic, f"{topic}-1000")
    to["exclude"]["users"].clear()
    assert api.post("/v1/notifications", {"to": to, "event": "e"}).status == 422
    assert journal.hlen("journal") == 1
