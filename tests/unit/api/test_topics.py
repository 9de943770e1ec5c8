"""Topics over HTTP: how they travel in an address, what is refused, and what the rest is asked for."""

from urllib.parse import quote

import pytest

from tests.unit.api.app import FakeApp
from tests.unit.api.test_app import assert_error

LONGEST = "/".join(["x" * 31] * 7 + ["y" * 31])
TOO_LONG = f"{LONGEST}z"


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


def address(app: FakeApp, method: str, *parts: str, **options):
    """Call `/v1/<parts>` as the server hands it over: each part percent-encoded, the path decoded."""
    raw = "/v1/" + "/".join(quote(part, safe="") for part in parts)
    # The test client decodes a path as the server does, but keeps no raw one.
    return app.call(method, raw, extras={"RAW_URI": raw}, **options)


def problem(result) -> dict[str, str]:
    return assert_error(result, 422, "invalid_request")["detail"][0]


@pytest.mark.parametrize(
    "topic", ["news", "project/42/build", "project/42/#", "#", "a.b:c@d=e,f~g-h_i", LONGEST]
)
def test_topic_and_user_may_hold_slashes_and_a_topic_may_be_a_wildcard(app, topic):
    assert address(app, "PUT", "topics", topic, "subscribers", "team/ana #1").status_code == 204
    assert address(app, "DELETE", "topics", topic, "subscribers", "team/ana #1").status_code == 204

    assert app.subscriptions.calls == [
        ("add", "main", topic, ["team/ana #1"]),
        ("remove", "main", topic, ["team/ana #1"]),
    ]


@pytest.mark.parametrize(
    "topic", ["/a", "a/", "a//b", "a b", "a#", "#/a", "a/#/b", "ä", "a%b", "a+", TOO_LONG, "x" * 65,
              "/".join("a" * 17)],
)  # fmt: skip
def test_what_is_no_topic_is_refused_by_every_route_that_takes_one(app, topic):
    for method, parts, body in [
        ("PUT", ("ana",), None),
        ("DELETE", ("ana",), None),
        ("GET", (), None),
        ("POST", (), {"users": ["ana"]}),
        ("POST", ("remove",), {"users": ["ana"]}),
    ]:
        result = address(
            app, method, "topics", topic, "subscribers", *parts, **({"json": body} if body else {})
        )
        assert problem(result)["field"] == "topic"
    assert app.subscriptions.calls == []


@pytest.mark.parametrize("user", [" ", "a\nb", "x" * 129])
def test_a_user_keeps_the_rules_of_user_ids(app, user):
    for method in ("PUT", "DELETE"):
        result = address(app, method, "topics", "news", "subscribers", user)
        assert problem(result)["field"] == "user"
    assert problem(address(app, "GET", "users", user, "topics"))["field"] == "id"
    assert app.subscriptions.calls == []


def test_a_topic_that_was_not_encoded_is_no_route(app):
    assert_error(app.call("PUT", "/v1/topics/project/42/subscribers/ana"), 404, "not_found")


def test_many_users_are_subscribed_and_unsubscribed_and_counted(app):
    app.subscriptions.answer = 2
    added = address(app, "POST", "topics", "a/#", "subscribers", json={"users": ["ana", "bob", "ana"]})
    removed = address(app, "POST", "topics", "a/#", "subscribers", "remove", json={"users": ["ana"]})

    assert (added.status_code, added.json) == (200, {"added": 2})
    assert (removed.status_code, removed.json) == (200, {"removed": 2})
    assert app.subscriptions.calls == [
        ("add", "main", "a/#", ["ana", "bob", "ana"]),
        ("remove", "main", "a/#", ["ana"]),
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "users"), ({"users": []}, "users"), ({"users": ["u"] * 1001}, "users"), ({"users": [1]}, "users[0]"),
     ({"users": ["a"], "topics": ["b"]}, "topics")],
)  # fmt: skip
def test_a_list_of_users_has_bounds(app, body, field):
    for more in ((), ("remove",)):
        assert problem(address(app, "POST", "topics", "a", "subscribers", *more, json=body))["field"] == field
    assert app.subscriptions.calls == []


def test_a_user_whose_name_is_a_word_of_a_route_is_a_user_like_any_other(app):
    app.give(["topics:read", "users:write"])
    for method in ("PUT", "DELETE"):
        assert_error(address(app, method, "topics", "a", "subscribers", "remove"), 403, "forbidden")
        assert_error(
            address(app, method, "topics", "a", "subscribers", "remove", auth=None), 401, "unauthenticated"
        )
    assert app.subscriptions.calls == []

    app = FakeApp()
    for method in ("PUT", "DELETE"):
        assert address(app, method, "topics", "a", "subscribers", "remove").status_code == 204
    assert app.subscriptions.calls == [("add", "main", "a", ["remove"]), ("remove", "main", "a", ["remove"])]


def test_the_lists_pass_on_what_is_asked_for(app):
    app.subscriptions.answer = {"items": [], "next": None}
    assert app.call("GET", "/v1/topics", query_string="prefix=project/42&limit=5").status_code == 200
    address(app, "GET", "topics", "project/42/#", "subscribers")
    address(app, "GET", "users", "team/ana", "topics")

    assert app.subscriptions.calls == [
        ("topics", "main", {"prefix": "project/42", "limit": 5}),
        ("subscribers", "main", "project/42/#", {}),
        ("of_user", "main", "team/ana", {}),
    ]


@pytest.mark.parametrize(
    ("query", "field"), [("prefix=a/", "prefix"), ("prefix=%23", "prefix"), ("limit=1001", "limit"), ("user=a", "user")]
)  # fmt: skip
def test_a_list_of_topics_is_asked_for_strictly(app, query, field):
    assert problem(app.call("GET", "/v1/topics", query_string=query))["field"] == field


def test_sending_to_a_wildcard_says_what_is_wrong_with_it(app):
    result = app.post("/v1/notifications", {"to": {"topics": ["project/42/#"]}, "event": "e"})

    assert problem(result) == {
        "field": "to.topics[0]",
        "message": "A wildcard is for subscribing; name the topic itself.",
    }


@pytest.mark.parametrize("place", ["topics", "exclude"])
def test_up_to_100_topics_are_taken(app, place):
    def body(count: int) -> dict:
        topics = {"topics": [f"t/{number}" for number in range(count)]}
        return {"to": topics if place == "topics" else {"users": ["ana"], "exclude": topics}, "event": "e"}

    assert app.post("/v1/notifications", body(100)).status_code == 202
    field = "to.topics" if place == "topics" else "to.exclude.topics"
    assert problem(app.post("/v1/notifications", body(101)))["field"] == field


def test_a_preview_asks_for_the_audience_and_keeps_nothing(app):
    app.audiences.answer = {"count": 1, "sample": ["ana"]}
    to = {"topics": ["a/b"], "exclude": {"users": ["bob"]}}
    result = app.post("/v1/notifications/preview", {"to": to})

    assert (result.status_code, result.json) == (200, {"count": 1, "sample": ["ana"]})
    assert app.audiences.calls == [("preview", "main", to)]
    assert (app.journal.entries, app.queue.jobs) == ({}, [])


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "to"), ({"to": {"topics": ["#"]}}, "to.topics[0]"), ({"to": {"users": ["a"]}, "event": "e"}, "event")],
)  # fmt: skip
def test_a_preview_takes_nothing_but_an_audience(app, body, field):
    assert problem(app.post("/v1/notifications/preview", body))["field"] == field
