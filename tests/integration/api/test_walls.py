"""Every route asked by a foreign app: what is another app's does not exist, and credentials end when they should."""

import pytest

from api.routes import TABLE
from shared.auth.principal import KEY_SCOPES
from tests.integration.api.support import Api, store_all, until

CAP = {"limit": 3, "per": 60, "action": "drop"}
GOOD = {"to": {"users": ["ana"]}, "event": "order.paid", "data": {"secret": "of main"}}
RULE = {"attribute": "plan", "is": "paid"}
# What every route with something of somebody's in it must answer to a foreign app.
WALLS = {
    ("GET", "/v1/notifications/{id}"): 404,
    ("GET", "/v1/notifications/{id}/deliveries"): 404,
    ("POST", "/v1/notifications/{id}/retry"): 404,
    ("POST", "/v1/notifications/{id}/cancel"): 404,
    ("GET", "/v1/schedules/{id}"): 404,
    ("GET", "/v1/schedules/{id}/runs"): 404,
    ("PATCH", "/v1/schedules/{id}"): 404,
    ("DELETE", "/v1/schedules/{id}"): 404,
    ("POST", "/v1/schedules/{id}/pause"): 404,
    ("POST", "/v1/schedules/{id}/resume"): 404,
    ("POST", "/v1/schedules/{id}/skip-next"): 404,
    ("POST", "/v1/schedules/{id}/run-now"): 404,
    ("GET", "/v1/users/{user:user}"): 404,
    ("GET", "/v1/users/{user:user}/deliveries"): 404,
    ("DELETE", "/v1/users/{user:user}"): 404,
    ("PUT", "/v1/users/{user:user}"): 201,  # a user of the same name in the other app
    ("DELETE", "/v1/api-keys/{id}"): 404,
    ("GET", "/v1/segments/{name}"): 404,
    ("DELETE", "/v1/segments/{name}"): 404,
    ("PUT", "/v1/segments/{name}"): 201,  # a segment of the same name in the other app
    ("DELETE", "/v1/caps/{id}"): 404,
    ("PUT", "/v1/caps/{id}"): 201,  # a cap of the same id in the other app
    # A topic is a word: every app has its own subscribers to it, and those who are asked for first are none.
    ("GET", "/v1/users/{user:user}/topics"): 200,
    ("GET", "/v1/topics/{topic:topic}/subscribers"): 200,
    ("DELETE", "/v1/topics/{topic:topic}/subscribers/{user:user}"): 204,
    ("POST", "/v1/topics/{topic:topic}/subscribers/remove"): 200,
    ("PUT", "/v1/topics/{topic:topic}/subscribers/{user:user}"): 204,
    ("POST", "/v1/topics/{topic:topic}/subscribers"): 200,
}


@pytest.fixture(scope="module")
def shop(api: Api) -> str:
    """A key of another app with every scope."""
    return api.key_of("shop")


@pytest.fixture(scope="module")
def stored(api: Api) -> str:
    id = api.post("/v1/notifications", GOOD).json["id"]
    store_all(api)
    return id


def test_the_table_of_walls_is_complete():
    assert set(WALLS) == {(each.method, each.path) for each in TABLE if "{" in each.path}


@pytest.fixture(scope="module")
def schedule(api: Api) -> str:
    content = {"to": {"users": ["ana"]}, "event": "main.event"}
    return api.post("/v1/schedules", {"every": 86_400, "notification": content}).json["id"]


@pytest.mark.parametrize("wall", WALLS, ids=" ".join)
def test_what_is_another_apps_does_not_exist(api, shop, stored, schedule, wall):
    api.call("PUT", "/v1/users/ana", {"attributes": {"secret": "of main"}})
    api.call("PUT", "/v1/topics/of%2Fmain/subscribers/ana")
    api.call("PUT", "/v1/segments/paid", {"rule": {"attribute": "of main", "is": "ana"}})
    api.call("PUT", "/v1/caps/daily", CAP)
    own_key = api.key.split("_")[1]
    method, path = wall
    target = path.replace("{user:user}", "ana").replace("{topic:topic}", "of%2Fmain")
    target = target.replace("{name}", "paid")
    ids = {"api-keys": own_key, "caps": "daily", "schedules": schedule}
    target = target.replace("{id}", next((id for word, id in ids.items() if word in path), stored))
    puts = {"topics": None, "caps": {**CAP, "limit": 9}, "segments": {"rule": RULE}}
    bodies = {
        "PUT": next((body for word, body in puts.items() if word in path), {}),
        "POST": {"users": ["ana"]} if "topics" in path else {} if path.endswith("/cancel") else None,
        "PATCH": {"name": "of shop"},
    }
    answer = api.call(method, target, bodies.get(method), auth=shop)

    assert answer.status == WALLS[wall]
    assert b"of main" not in answer.body
    assert method != "GET" or (b'"ana"' not in answer.body and b"of/main" not in answer.body)
    assert [cap["limit"] for cap in api.call("GET", "/v1/caps").json["items"]] == [3]
    listed = api.call("GET", "/v1/topics/of%2Fmain/subscribers").json["items"]
    assert [item["user"] for item in listed] == ["ana"]
    assert api.call("GET", "/v1/users/ana").json["attributes"] == {"secret": "of main"}
    assert api.call("GET", f"/v1/notifications/{stored}").json["status"] != "cancelled"
    kept = api.call("GET", f"/v1/schedules/{schedule}").json
    assert (kept["state"], kept["name"], kept["skipping"], kept["last_runs"]) == ("active", None, None, [])
    assert api.call("GET", "/v1/segments/paid").json["rule"]["attribute"] == "of main"


def test_a_notification_still_in_the_journal_is_behind_the_wall_too(api, shop):
    id = api.post("/v1/notifications", GOOD).json["id"]

    assert api.call("GET", f"/v1/notifications/{id}", auth=shop).status == 404
    assert api.call("GET", f"/v1/notifications/{id}/deliveries", auth=shop).status == 404


def test_lists_hold_only_ones_own(api, shop, stored):
    api.post("/v1/notifications", GOOD)
    listed = api.call("GET", "/v1/api-keys", auth=shop).json["items"]

    assert listed
    assert api.key.split("_")[1] not in [item["id"] for item in listed]
    for status in ("", "?status=accepted", "?status=sending"):
        assert api.call("GET", f"/v1/notifications{status}").json["items"] != []
        assert api.call("GET", f"/v1/notifications{status}", auth=shop).json["items"] == []


def test_an_inbox_is_its_users_alone(api, stored):
    until(lambda: api.call("GET", "/v1/inbox", auth=api.token("ana")).json["items"])

    # Not empty where another test of this api has told everyone something.
    seen = api.call("GET", "/v1/inbox", auth=api.token("bob")).json["items"]
    assert stored not in [item["id"] for item in seen]
    marked = api.post("/v1/inbox/read", {"ids": [stored]}, auth=api.token("bob"))
    assert marked.json["changed"] == 0
    (item,) = [
        each
        for each in api.call("GET", "/v1/inbox", auth=api.token("ana")).json["items"]
        if each["id"] == stored
    ]
    assert item["read_at"] is None


def test_a_token_may_not_name_an_app_that_the_setting_does_not_allow(api, shop):
    answer = api.call("GET", "/v1/inbox", auth=api.token("ana", app="shop"))

    assert (answer.status, answer.code) == (401, "token_invalid")


def test_a_revoked_key_ends_at_once_where_it_was_revoked(api):
    made = api.post("/v1/api-keys", {"name": "short-lived", "scopes": ["users:read"]})
    assert made.status == 201
    key, id = made.json["key"], made.json["id"]
    assert api.call("GET", "/v1/users/nobody", auth=key).status == 404

    assert api.call("DELETE", f"/v1/api-keys/{id}").status == 204
    assert api.call("GET", "/v1/users/nobody", auth=key).status == 401
    assert api.call("DELETE", f"/v1/api-keys/{id}").status == 404
    assert id not in [item["id"] for item in api.call("GET", "/v1/api-keys").json["items"]]


def test_a_key_with_an_end_ends(api):
    answer = api.post(
        "/v1/api-keys", {"name": "over", "scopes": ["users:read"], "expires_at": "2020-01-01T00:00:00Z"}
    )

    assert api.call("GET", "/v1/users/ana", auth=answer.json["key"]).status == 401


def test_the_secret_of_a_key_is_shown_once_and_its_use_noted(api):
    made = api.post("/v1/api-keys", {"name": "seen", "scopes": sorted(KEY_SCOPES)}).json
    api.call("GET", "/v1/users/ana", auth=made["key"])

    def listed() -> dict:
        items = api.call("GET", "/v1/api-keys").json["items"]
        return next(item for item in items if item["id"] == made["id"])

    until(lambda: listed()["last_used_at"])
    assert made["key"] not in str(listed())
    assert set(listed()) == set(made) - {"key"}


def test_no_credential_is_in_the_log(api):
    token = api.token("ana")
    api.call("GET", f"/v1/inbox?token={token}", auth=token)
    api.call("GET", f"/nope/{api.key}")
    text = api.log.read_text()

    assert token not in text
    assert api.key not in text
