"""Segments over HTTP: names, bodies, scopes, and what the rest is asked for; what an api remembers of them."""

import pytest

from api.known_segments import LIFE_S, REMEMBERED, KnownSegments
from shared.errors import Unavailable
from tests.unit.api.app import FakeApp
from tests.unit.api.test_app import assert_error

RULE = {"attribute": "plan", "is": "paid"}
KEPT = {"name": "paid", "rule": RULE, "created_at": "x", "updated_at": "x"}


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


def problem(result) -> dict[str, str]:
    return assert_error(result, 422, "invalid_request")["detail"][0]


@pytest.mark.parametrize("name", ["paid", "preview", "eu:paying-2026_q1.v2"])
def test_a_segment_is_put_read_and_deleted_also_one_named_preview(app, name):
    app.segments.answer = (KEPT, True)
    assert app.call("PUT", f"/v1/segments/{name}", json={"rule": RULE}).status_code == 201
    app.segments.answer = (KEPT, False)
    assert app.call("PUT", f"/v1/segments/{name}", json={"rule": RULE}).status_code == 200
    app.segments.answer = KEPT
    assert app.call("GET", f"/v1/segments/{name}").json == KEPT
    assert app.call("DELETE", f"/v1/segments/{name}").status_code == 204

    calls = [("put", "main", name, RULE)] * 2 + [("get", "main", name), ("remove", "main", name)]
    assert app.segments.calls == calls


@pytest.mark.parametrize("name", ["a b", "ä", "-a", ".a", "x" * 65, "a%23"])
def test_what_is_no_name_is_refused(app, name):
    for method, options in (("PUT", {"json": {"rule": RULE}}), ("GET", {}), ("DELETE", {})):
        assert problem(app.call(method, f"/v1/segments/{name}", **options))["field"] == "name"
    assert app.segments.calls == []


@pytest.mark.parametrize(
    ("body", "field"), [({}, "rule"), ({"rule": []}, "rule"), ({"rule": RULE, "name": "x"}, "name")]
)
def test_a_body_is_a_rule_and_nothing_else(app, body, field):
    assert problem(app.call("PUT", "/v1/segments/a", json=body))["field"] == field
    assert problem(app.post("/v1/segments/preview", body))["field"] == field


def test_a_rule_is_tried_and_the_list_is_asked_for_strictly(app):
    app.segments.answer = {"count": 1, "sample": ["ana"]}
    assert app.post("/v1/segments/preview", {"rule": RULE}).json == {"count": 1, "sample": ["ana"]}
    app.segments.answer = {"items": [], "next": None}
    assert app.call("GET", "/v1/segments", query_string="limit=5").status_code == 200
    assert app.segments.calls == [("preview", "main", RULE), ("page", "main", {"limit": 5})]
    assert problem(app.call("GET", "/v1/segments", query_string="limit=101"))["field"] == "limit"


def test_each_route_asks_for_its_scope(app):
    app.give(["segments:read"])
    for name in ("a", "preview"):
        assert_error(app.call("PUT", f"/v1/segments/{name}", json={"rule": RULE}), 403, "forbidden")
        assert_error(app.call("DELETE", f"/v1/segments/{name}"), 403, "forbidden")
    assert app.segments.calls == []
    app = FakeApp()
    app.give(["segments:write"])
    for path in ("", "/a", "/preview"):
        assert_error(app.call("GET", f"/v1/segments{path}"), 403, "forbidden")
    assert_error(app.post("/v1/segments/preview", {"rule": RULE}), 403, "forbidden")
    assert app.segments.calls == []


@pytest.mark.parametrize("place", ["segments", "exclude"])
def test_up_to_20_segments_are_taken(app, place):
    names = [f"s{number}" for number in range(21)]
    app.known_segments |= set(names)

    def body(count: int) -> dict:
        segments = {"segments": names[:count]}
        return {
            "to": segments if place == "segments" else {"users": ["a"], "exclude": segments},
            "event": "e",
        }

    assert app.post("/v1/notifications", body(20)).status_code == 202
    field = "to.segments" if place == "segments" else "to.exclude.segments"
    assert problem(app.post("/v1/notifications", body(21)))["field"] == field


class Asked:
    """The database: which segments exist, and what it was asked."""

    def __init__(self) -> None:
        self.there = {"a", "b"}
        self.calls: list[tuple[str, ...]] = []
        self.now = 100.0
        self.away = False

    def missing(self, app: str, names: tuple[str, ...]) -> tuple[str, ...]:
        self.calls.append(names)
        if self.away:
            raise Unavailable
        return tuple(name for name in names if name not in self.there)


def test_what_exists_is_remembered_for_a_while_and_what_does_not_is_not():
    asked = Asked()
    known = KnownSegments(asked.missing, monotonic=lambda: asked.now)
    assert known.missing("main", ("a", "x")) == ("x",)
    asked.there.add("x")
    assert known.missing("main", ("a", "x", "b")) == ()
    assert known.missing("main", ("a", "x", "b")) == ()
    assert asked.calls == [("a", "x"), ("x", "b")]
    assert known.missing("shop", ("a",)) == ()
    assert asked.calls[2:] == [("a",)]

    asked.there.clear()
    asked.now += LIFE_S - 0.1
    assert known.missing("main", ("a",)) == ()
    asked.now += 0.1
    assert known.missing("main", ("a", "b")) == ("a", "b")


def test_what_this_process_deleted_is_forgotten_at_once():
    asked = Asked()
    known = KnownSegments(asked.missing, monotonic=lambda: asked.now)
    known.missing("main", ("a", "b"))
    asked.there.clear()
    known.forget("main", "a")
    known.forget("main", "never-known")
    assert known.missing("main", ("a", "b")) == ("a",)


def test_without_the_database_what_is_remembered_is_enough():
    asked = Asked()
    known = KnownSegments(asked.missing, monotonic=lambda: asked.now)
    known.missing("main", ("a",))
    asked.away = True
    assert known.missing("main", ("a",)) == ()
    with pytest.raises(Unavailable):
        known.missing("main", ("a", "b"))


def test_it_remembers_a_bounded_number():
    asked = Asked()
    asked.there = {f"s{number}" for number in range(REMEMBERED + 20)}
    known = KnownSegments(asked.missing, monotonic=lambda: asked.now)
    for number in range(REMEMBERED + 20):
        known.missing("main", (f"s{number}",))
    assert len(known._until) <= REMEMBERED
