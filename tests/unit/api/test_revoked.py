"""A user's token is looked up in Redis, an API key never; and where Redis is away tokens count."""

import pytest

from shared.redis.client import RedisUnavailable
from shared.redis.revocations import Standing
from tests.unit.api.app import FakeApp
from tests.unit.api.fakes import NOW


@pytest.mark.parametrize(
    ("standing", "status"),
    [
        (Standing(), 200),
        (Standing(ended=True), 401),
        (Standing(disabled=True), 401),
        (Standing(before=NOW + 1), 401),
        (Standing(before=NOW), 200),
        (RedisUnavailable(), 200),
    ],
)
def test_a_token_counts_until_something_stands_against_it(standing, status):
    app = FakeApp(revoked=standing)
    app.inboxes.answer = {"total": 0, "unseen": 0, "unread": 0, "archived": 0}

    assert app.call("GET", "/v1/inbox/counts", auth=app.token()).status_code == status


def test_an_api_key_is_not_asked_about():
    app = FakeApp(revoked=AssertionError("asked"))
    app.people.error = None

    assert app.call("GET", "/v1/notifications/x").status_code == 404


def test_accounts_can_be_turned_off():
    app = FakeApp(environ={"BELLHOP_ACCOUNTS": "false"})

    assert app.post("/v1/auth/login", {"username": "a", "password": "b"}, auth=None).status_code == 404
    assert "/v1/auth/login" not in app.call("GET", "/openapi.json").json["paths"]


def test_registration_is_closed_in_production_but_for_a_key():
    app = FakeApp(environ={"BELLHOP_REGISTRATION": "false"})
    body = {"username": "a", "password": "b"}

    assert app.post("/v1/auth/register", body, auth=None).status_code == 401
    assert app.post("/v1/auth/register", body).status_code == 201
