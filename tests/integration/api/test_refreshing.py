"""Drill D24: refresh tokens raced, repeated, stolen; their cookies, which our own pages can use; keys that overlap."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from shared.auth import tokens
from shared.clock import SystemClock
from shared.protocol import envelope
from shared.protocol.revoke import Revoke
from shared.redis import client, keys
from shared.redis.leases import Leases
from tests.integration.api.people import PASSWORD, UNKNOWN, cookies_of, refresh, register, sign_in
from tests.integration.api.support import SECRETS, Api

OWN = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def api(auth_api: Api) -> Api:
    return auth_api


@contextmanager
def node(api: Api) -> Iterator[Any]:
    """A node that listens; what it hears next, with the second of the clock, or None after 5 s."""
    redis = client.connect(api.redis_url)
    Leases(redis, life=60).take("n1", "here")
    hearing = redis.pubsub(ignore_subscribe_messages=True)
    hearing.subscribe(keys.channel("n1"))
    hearing.get_message(timeout=5)

    def heard() -> tuple[Any, float] | None:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if message := hearing.get_message(timeout=0.1):
                return envelope.decode(message["data"]), time.monotonic()
        return None

    yield heard
    Leases(redis).drop("n1")
    hearing.close()
    redis.close()


def test_fifty_who_present_one_token_get_one_successor(api: Api) -> None:
    register(api, "race")
    first = sign_in(api, "race").json["refresh"]
    together = threading.Barrier(50)

    def ask() -> Any:
        together.wait(20)
        return refresh(api, first)

    answers = api.together([ask] * 50)

    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["refresh"] for answer in answers}) == 1
    successor = answers[0].json["refresh"]
    assert successor != first
    assert refresh(api, successor).status == 200


def test_an_old_token_ends_the_family_and_every_node_hears_it_within_two_seconds(api: Api) -> None:
    register(api, "victim")
    grant, bystander = sign_in(api, "victim").json, sign_in(api, "victim").json
    session = tokens.verify(api.settings, grant["access"], now=SystemClock().now_ms()).session
    second = refresh(api, grant["refresh"]).json
    third = refresh(api, second["refresh"]).json

    with node(api) as heard:
        begun = time.monotonic()
        replayed = refresh(api, grant["refresh"])
        found = heard()

    assert replayed.status == 401
    assert found is not None
    told, at = found
    assert told == Revoke("main", "victim", (session,), None)
    assert at - begun < 2
    assert refresh(api, third["refresh"]).status == 401
    assert api.call("GET", "/v1/inbox/counts", auth=third["access"]).code == "token_invalid"
    assert refresh(api, bystander["refresh"]).status == 200
    assert any(line["session"] == session for line in api.lines("refresh_token_reused"))


def test_the_token_before_the_newest_is_theft_from_another_client(api: Api) -> None:
    register(api, "elsewhere")
    first = sign_in(api, "elsewhere").json["refresh"]
    successor = refresh(api, first).json["refresh"]

    assert refresh(api, first).json["refresh"] == successor
    assert refresh(api, first, agent="a thief").status == 401
    assert refresh(api, successor).status == 401


def test_the_successor_is_in_redis_for_seconds_and_unreadable(api: Api) -> None:
    register(api, "sealed")
    first = sign_in(api, "sealed").json["refresh"]
    successor = refresh(api, first).json["refresh"]

    with client.connect(api.redis_url) as redis:
        kept = {key: redis.get(key) for key in redis.keys("refresh:*")}
        lives = [redis.pttl(key) for key in kept]

    assert kept
    assert not any(
        successor.encode() in (value or b"") or first.encode() in key for key, value in kept.items()
    )
    assert all(0 < life <= 12_000 for life in lives)


@pytest.mark.parametrize("token", [UNKNOWN, "x", "ü", "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_refresh_token_is_refused(api: Api, token: str) -> None:
    assert refresh(api, token).code == "unauthenticated"


def test_access_token_and_refresh_token_are_not_taken_for_each_other(api: Api) -> None:
    register(api, "cross")
    grant = sign_in(api, "cross").json

    assert refresh(api, grant["access"]).status == 401
    assert api.call("GET", "/v1/inbox/counts", auth=grant["refresh"]).status == 401
    assert (
        api.call(
            "GET", "/v1/inbox/counts", auth=None, headers={"Cookie": f"bellhop_access={grant['access']}"}
        ).status
        == 401
    )


def test_cookies_have_exactly_these_attributes(api: Api) -> None:
    register(api, "cookie")

    answer = sign_in(api, "cookie")

    rest = {"path": "/", "httponly": "", "samesite": "Strict"}
    assert cookies_of(answer) == {
        "bellhop_refresh": {"value": answer.json["refresh"], "max-age": "604800", **rest},
        "bellhop_access": {"value": answer.json["access"], "max-age": "600", **rest},
    }


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": OWN + ".evil.example"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": OWN}, 200),
    ],
)
def test_a_cookie_counts_from_our_own_pages_only(api: Api, headers: dict[str, str], status: int) -> None:
    name = f"csrf {sorted(headers.items())}"
    register(api, name)
    kept = sign_in(api, name).json["refresh"]
    sent = {"Cookie": f"bellhop_refresh={kept}", "User-Agent": "tests", **headers}

    answer = api.post("/v1/auth/refresh", None, auth=None, headers=sent)

    assert answer.status == status
    if status == 200:
        assert cookies_of(answer)["bellhop_refresh"]["value"] == answer.json["refresh"]
        assert api.post("/v1/auth/logout", None, auth=None, headers=sent).status == 204
    else:
        assert api.post("/v1/auth/logout", None, auth=None, headers=sent).status == 403
        # Nothing was used up.
        assert refresh(api, kept).status == 200


def test_signing_keys_overlap_while_they_are_changed(api: Api) -> None:
    """The api signs with k2 and still takes what k1 signed."""
    register(api, "rotation")
    old = tokens.issue(
        type(api.settings).model_validate({"jwt_secrets": SECRETS}), user="rotation", app="main", ttl=60,
        now=SystemClock().now_ms(),
    )  # fmt: skip

    for token in (old, sign_in(api, "rotation").json["access"]):
        assert api.call("GET", "/v1/inbox/counts", auth=token).status == 200


def test_api_keys_overlap_while_they_are_changed(api: Api) -> None:
    made = api.post("/v1/api-keys", {"name": "shop", "scopes": ["users:read"]}).json
    path = f"/v1/api-keys/{made['id']}/rotate"

    new = api.post(path, {"overlap": 3600})

    assert (new.status, new.json["name"], new.json["scopes"]) == (201, "shop", ["users:read"])
    for key in (made["key"], new.json["key"]):
        assert api.call("GET", "/v1/users/nobody", auth=key).status == 404
    assert api.post(path, {"overlap": 0}).status == 201
    assert api.call("GET", "/v1/users/nobody", auth=made["key"]).status == 401
    assert api.call("GET", "/v1/users/nobody", auth=new.json["key"]).status == 404
    assert api.post(path, {}).code == "not_found"


def test_a_key_is_not_rotated_by_one_that_holds_less(api: Api) -> None:
    made = api.post("/v1/api-keys", {"name": "shop", "scopes": ["users:read"]}).json
    lesser = api.key_of("main", ["keys:write"])

    assert api.post(f"/v1/api-keys/{made['id']}/rotate", {}, auth=lesser).code == "forbidden"


def test_without_redis_nobody_signs_in_and_tokens_still_read(start_api, own_redis) -> None:
    """Closed for auth routes, open for reads; nothing is used up."""
    api = start_api(own_redis.url)
    register(api, "ana")
    grant = sign_in(api, "ana").json
    own_redis.stop()

    for path, body in (
        ("/v1/auth/login", {"username": "ana", "password": PASSWORD}),
        ("/v1/auth/refresh", {"refresh": grant["refresh"]}),
        ("/v1/auth/logout", {"refresh": grant["refresh"]}),
    ):
        assert api.post(path, body, auth=None).code == "unavailable"
    assert api.post("/v1/auth/ws-ticket", None, auth=grant["access"]).code == "unavailable"
    assert api.call("GET", "/v1/inbox/counts", auth=grant["access"]).status == 200
    own_redis.start()
    assert refresh(api, grant["refresh"]).status == 200
