"""What is another app's does not exist, and credentials end when they should; every route in test_tenant_wall.py."""

import pytest

from shared.auth.principal import KEY_SCOPES
from tests.integration.api.support import Api, store_all, until

GOOD = {"to": {"users": ["ana"]}, "event": "order.paid", "data": {"secret": "of main"}}


@pytest.fixture(scope="module")
def shop(api: Api) -> str:
    """A key of another app with every scope."""
    return api.key_of("shop")


@pytest.fixture(scope="module")
def stored(api: Api) -> str:
    id = api.post("/v1/notifications", GOOD).json["id"]
    store_all(api)
    return id


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
