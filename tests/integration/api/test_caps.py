"""Frequency caps over HTTP: made, replaced, listed, taken away; each app its own, and never more than 20."""

import pytest
from sqlalchemy import update

from shared.models import tables as t
from shared.store import apps
from tests.integration.api.support import Api

DAILY = {"limit": 3, "per": 86_400, "action": "drop"}
PAID = {"event": "order.paid", "limit": 1, "per": 60, "action": "hold"}


@pytest.fixture
def empty(api: Api) -> Api:
    api.database.run(lambda session: session.execute(update(t.apps).values(caps=None)))
    return api


def put(api: Api, id: str, body: dict, **options):
    return api.call("PUT", f"/v1/caps/{id}", body, **options)


def listed(api: Api, **options) -> list[dict]:
    answer = api.call("GET", "/v1/caps", **options)
    assert answer.status == 200
    assert answer.json["next"] is None
    return answer.json["items"]


def test_made_replaced_listed_and_taken_away(empty: Api):
    api = empty
    assert listed(api) == []

    made = put(api, "paid", PAID)
    assert (made.status, made.json) == (201, {"id": "paid", **PAID})
    assert put(api, "daily", {**DAILY, "event": None}).json == {"id": "daily", "event": None, **DAILY}
    again = put(api, "paid", {**PAID, "limit": 2})
    assert (again.status, again.json["limit"]) == (200, 2)
    assert [one["id"] for one in listed(api)] == ["daily", "paid"]
    with api.database.session() as session:
        assert [(cap.id, cap.limit) for cap in apps.require(session, "main").caps] == [
            ("daily", 3),
            ("paid", 2),
        ]

    assert api.call("DELETE", "/v1/caps/daily").status == 204
    assert [one["id"] for one in listed(api)] == ["paid"]
    assert api.call("DELETE", "/v1/caps/daily").code == "not_found"


def test_each_app_has_its_own(empty: Api):
    other = empty.key_of("shop")
    put(empty, "daily", DAILY)

    assert listed(empty, auth=other) == []
    assert empty.call("DELETE", "/v1/caps/daily", auth=other).status == 404
    assert put(empty, "daily", PAID, auth=other).status == 201
    assert [one["limit"] for one in listed(empty)] == [3]


def test_twenty_and_no_more_also_when_they_come_together(empty: Api):
    answers = empty.together([lambda number=number: put(empty, f"c{number}", DAILY) for number in range(24)])

    assert sorted(answer.status for answer in answers) == [201] * 20 + [409] * 4
    assert len(listed(empty)) == 20
    known = listed(empty)[0]["id"]
    assert put(empty, known, PAID).status == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": True}, "limit"),
        ({"per": 0}, "per"),
        ({"per": 31 * 86_400 + 1}, "per"),
        ({"action": "delay"}, "action"),
        ({"event": "two words"}, "event"),
        ({"user": "ana"}, "user"),
    ],
)
def test_what_is_no_cap_is_refused(empty: Api, changes: dict, field: str):
    refused = put(empty, "c", {**DAILY, **changes})
    assert (refused.status, refused.json["error"]["detail"][0]["field"]) == (422, field)
    assert listed(empty) == []


@pytest.mark.parametrize("id", ["x" * 33, "a.b", "a%20b", "%2F"])
def test_what_is_no_id_is_refused(empty: Api, id: str):
    assert put(empty, id, DAILY).status == 422
    assert empty.call("DELETE", f"/v1/caps/{id}").status == 422


def test_scopes(empty: Api):
    reader = empty.key_of("main", ["caps:read"])
    assert listed(empty, auth=reader) == []
    assert put(empty, "c", DAILY, auth=reader).code == "forbidden"
    assert empty.call("GET", "/v1/caps", auth=empty.key_of("main", ["caps:write"])).code == "forbidden"
