"""Accounts over HTTP: registered, signed in to, signed out of; a disabled user, an erased one, and other apps."""

import os

import pytest
from sqlalchemy import select, update

from shared.auth import tokens
from shared.auth.passwords import Passwords
from shared.clock import SystemClock
from shared.models import tables as t
from tests.integration.api.people import PASSWORD, cookies_of, register, sign_in
from tests.integration.api.support import Api


@pytest.fixture(scope="module")
def api(auth_api: Api) -> Api:
    return auth_api


WRONG = "wrong horse battery"


def test_who_registers_can_sign_in_and_read_the_own_inbox(api: Api) -> None:
    assert register(api, "Ana Ü").json == {"user": "Ana Ü"}

    answer = api.post("/v1/auth/login", {"username": "Ana Ü", "password": PASSWORD}, auth=None)

    assert answer.status == 200
    assert (answer.json["user"], answer.json["expires_in"]) == ("Ana Ü", 600)
    assert answer.headers["cache-control"] == "no-store"
    principal = tokens.verify(api.settings, answer.json["access"], now=SystemClock().now_ms())
    assert (principal.user, principal.app) == ("Ana Ü", "main")
    assert principal.session is not None
    counts = api.call("GET", "/v1/inbox/counts", auth=answer.json["access"])
    assert (counts.status, counts.json["total"]) == (200, 0)


def test_an_unknown_name_a_wrong_password_and_a_disabled_user_get_the_same_answer(api: Api) -> None:
    for name in ("bob", "off"):
        register(api, name)
    assert api.post("/v1/users/off/disable", None).status == 200

    answers = [
        api.post(
            "/v1/auth/login",
            {"username": name, "password": password},
            auth=None,
            headers={"X-Request-Id": "r"},
        )
        for name, password in (("bob", WRONG), ("nobody", PASSWORD), ("off", PASSWORD))
    ]

    assert [answer.status for answer in answers] == [401] * 3
    assert len({answer.body for answer in answers}) == 1
    assert not any("set-cookie" in answer.headers for answer in answers)


def stored(api: Api, name: str) -> str:
    """The hash that the database has for a user."""
    mine = select(t.accounts.c.hash).join(t.users, t.users.c.id == t.accounts.c.user_id)
    with api.database.session() as session:
        return session.scalars(mine.where(t.users.c.name == name)).one()


def test_a_sign_in_renews_a_hash_of_weaker_parameters_and_leaves_one_of_todays(api: Api) -> None:
    register(api, "gerda")
    old = Passwords(memory=64, time=1, lanes=1, random=os.urandom).hash(PASSWORD)
    theirs = t.accounts.c.hash == stored(api, "gerda")
    api.database.run(lambda session: session.execute(update(t.accounts).where(theirs).values(hash=old)))

    assert sign_in(api, "gerda", WRONG).status == 401
    assert stored(api, "gerda") == old
    assert sign_in(api, "gerda").status == 200
    renewed = stored(api, "gerda")
    assert f"m={api.settings.argon2_memory},t={api.settings.argon2_time}" in renewed
    assert sign_in(api, "gerda").status == 200
    assert stored(api, "gerda") == renewed


def test_a_name_is_taken_once_and_so_is_that_of_a_receiver_unless_a_key_says_so(api: Api) -> None:
    register(api, "carl")
    api.call("PUT", "/v1/users/receiver", {})
    wanted = {"username": "receiver", "password": PASSWORD}

    assert register(api, "carl").code == "conflict"
    assert api.post("/v1/auth/register", wanted, auth=None).code == "conflict"
    assert api.post("/v1/auth/register", wanted).status == 201
    assert api.post("/v1/auth/register", wanted).code == "conflict"
    assert sign_in(api, "receiver").status == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": "dora", "password": "short"}, "password"),
        ({"username": "dora dora", "password": "Dora Dora"}, "password"),
        ({"username": "", "password": PASSWORD}, "username"),
        ({"username": "dora\u200b", "password": PASSWORD}, "username"),
        ({"username": "dora", "password": "x" * 1025}, "password"),
        ({"username": "dora", "password": PASSWORD, "app": "nowhere"}, "app"),
        ({"username": "dora", "password": PASSWORD, "scopes": ["keys:write"]}, "scopes"),
    ],
)
def test_what_cannot_be_an_account_is_refused_by_its_field(
    api: Api, body: dict[str, str], field: str
) -> None:
    answer = api.post("/v1/auth/register", body, auth=None)

    assert (answer.status, answer.json["error"]["detail"][0]["field"]) == (422, field)


def test_a_key_registers_a_name_that_a_stranger_may_not_choose(api: Api) -> None:
    assert api.post("/v1/auth/register", {"username": "dora ", "password": PASSWORD}).status == 201
    assert sign_in(api, "dora ").json["user"] == "dora "


def test_a_key_without_the_scope_and_a_user_register_nobody(api: Api) -> None:
    body = {"username": "eve", "password": PASSWORD}

    for credential in (api.key_of("main", ["users:read"]), api.token("ana", scopes=["users:write"])):
        assert api.post("/v1/auth/register", body, auth=credential).code == "forbidden"
    assert api.post("/v1/auth/register", body, auth=api.key_of("other")).code == "invalid_request"
    assert (
        api.post("/v1/auth/register", {**body, "app": "main"}, auth=api.key_of("other")).code == "forbidden"
    )


def test_changing_the_password_ends_the_other_sessions_and_keeps_this_one(api: Api) -> None:
    register(api, "fred")
    here, there = sign_in(api, "fred").json, sign_in(api, "fred").json
    new = {"old": PASSWORD, "new": "another good one"}

    assert api.post("/v1/auth/password", {**new, "old": WRONG}, auth=here["access"]).code == "forbidden"
    assert api.post("/v1/auth/password", new, auth=here["access"]).status == 204

    assert api.call("GET", "/v1/inbox/counts", auth=here["access"]).status == 200
    assert api.call("GET", "/v1/inbox/counts", auth=there["access"]).code == "token_invalid"
    assert api.post("/v1/auth/refresh", {"refresh": there["refresh"]}, auth=None).status == 401
    assert api.post("/v1/auth/refresh", {"refresh": here["refresh"]}, auth=None).status == 200
    assert sign_in(api, "fred").status == 401
    assert sign_in(api, "fred", "another good one").status == 200


def test_sessions_are_listed_and_ended_by_their_own_user_only(api: Api) -> None:
    register(api, "gina")
    register(api, "hugo")
    one, two = (sign_in(api, "gina", agent=agent).json for agent in ("Phone/1", "x" * 500))
    hugo = sign_in(api, "hugo").json

    listed = api.call("GET", "/v1/auth/sessions", auth=two["access"]).json["items"]

    assert [(each["agent"], each["current"]) for each in listed] == [("x" * 120, True), ("Phone/1", False)]
    phone = f"/v1/auth/sessions/{listed[1]['id']}"
    assert api.call("DELETE", phone, auth=hugo["access"]).code == "not_found"
    assert api.call("GET", "/v1/inbox/counts", auth=one["access"]).status == 200
    assert api.call("DELETE", phone, auth=two["access"]).status == 204
    assert api.call("GET", "/v1/inbox/counts", auth=one["access"]).code == "token_invalid"
    assert [
        each["agent"] for each in api.call("GET", "/v1/auth/sessions", auth=two["access"]).json["items"]
    ] == ["x" * 120]
    assert api.call("DELETE", "/v1/auth/sessions/nonsense", auth=two["access"]).code == "not_found"
    assert api.call("GET", "/v1/auth/sessions").code == "forbidden"


@pytest.mark.parametrize("by", ["token", "cookie", "bearer"])
def test_logout_ends_the_session_of_whatever_is_presented(api: Api, by: str) -> None:
    register(api, f"ida {by}")
    grant = sign_in(api, f"ida {by}").json
    cookie = {"Cookie": f"bellhop_refresh={grant['refresh']}", "Sec-Fetch-Site": "same-origin"}

    answer = {
        "token": lambda: api.post("/v1/auth/logout", {"refresh": grant["refresh"]}, auth=None),
        "cookie": lambda: api.post("/v1/auth/logout", None, auth=None, headers=cookie),
        "bearer": lambda: api.post("/v1/auth/logout", None, auth=grant["access"]),
    }[by]()

    assert answer.status == 204
    assert {name: cookie["max-age"] for name, cookie in cookies_of(answer).items()} == {
        "bellhop_refresh": "0",
        "bellhop_access": "0",
    }
    assert api.call("GET", "/v1/inbox/counts", auth=grant["access"]).code == "token_invalid"
    assert api.post("/v1/auth/refresh", {"refresh": grant["refresh"]}, auth=None).status == 401


def test_a_logout_of_nothing_is_refused_and_of_an_unknown_token_is_done(api: Api) -> None:
    assert api.post("/v1/auth/logout", None, auth=None).status == 401
    assert api.post("/v1/auth/logout", None, auth=api.token("ana")).code == "forbidden"
    assert api.post("/v1/auth/logout", {"refresh": "br_unknown"}, auth=None).status == 204
    # A session of another issuer, which goes on whatever is done here: nobody is told that it has ended.
    for session in ("their session", "01a22000-0000-7000-8000-000000000001"):
        now = SystemClock().now_ms()
        theirs = tokens.issue(api.settings, user="ana", app="main", ttl=60, now=now, session=session)
        assert api.post("/v1/auth/logout", None, auth=theirs).code == "forbidden"


def test_a_disabled_user_is_out_whoever_issued_the_token_and_comes_back_with_a_new_one(api: Api) -> None:
    register(api, "jo")
    grant, foreign = sign_in(api, "jo").json, api.token("jo")

    disabled = api.post("/v1/users/jo/disable", None)

    assert (disabled.status, disabled.json["disabled_at"] is None) == (200, False)
    for token in (grant["access"], foreign, api.token("jo", ttl=600)):
        assert api.call("GET", "/v1/inbox/counts", auth=token).code == "token_invalid"
    assert api.post("/v1/auth/refresh", {"refresh": grant["refresh"]}, auth=None).status == 401
    assert api.post("/v1/auth/ws-ticket", None, auth=foreign).status == 401
    enabled = api.post("/v1/users/jo/enable", None)
    assert (enabled.status, enabled.json["disabled_at"]) == (200, None)
    assert api.call("GET", "/v1/inbox/counts", auth=foreign).code == "token_invalid"
    assert api.post("/v1/auth/refresh", {"refresh": grant["refresh"]}, auth=None).status == 401
    assert sign_in(api, "jo").status == 200


def test_who_was_never_heard_of_can_be_disabled_and_enabling_an_unknown_one_is_not_found(api: Api) -> None:
    assert api.post("/v1/users/of%20another%20issuer/disable", None).json["id"] == "of another issuer"
    assert api.call("GET", "/v1/inbox/counts", auth=api.token("of another issuer")).code == "token_invalid"
    assert api.post("/v1/users/unknown/enable", None).code == "not_found"


def test_an_erased_user_takes_account_and_sessions_along(api: Api) -> None:
    register(api, "kim")
    grant = sign_in(api, "kim").json

    assert api.call("DELETE", "/v1/users/kim").status == 204

    assert sign_in(api, "kim").status == 401
    assert api.call("GET", "/v1/inbox/counts", auth=grant["access"]).code == "token_invalid"
    register(api, "kim", "a password of its own")
    assert api.post("/v1/auth/refresh", {"refresh": grant["refresh"]}, auth=None).status == 401
    assert sign_in(api, "kim", "a password of its own").status == 200


def test_apps_are_walls(api: Api) -> None:
    other = api.key_of("other")
    register(api, "lea")
    grant = sign_in(api, "lea").json

    assert api.post("/v1/users/lea/disable", None, auth=other).json["id"] == "lea"
    assert api.call("GET", "/v1/inbox/counts", auth=grant["access"]).status == 200
    made = api.post("/v1/api-keys", {"name": "mine", "scopes": ["users:read"]}).json
    assert api.post(f"/v1/api-keys/{made['id']}/rotate", {}, auth=other).code == "not_found"


def test_a_ticket_is_for_a_user_and_the_origin_that_asked(api: Api) -> None:
    answer = api.post(
        "/v1/auth/ws-ticket", None, auth=api.token("ana"), headers={"Origin": "https://x.example"}
    )

    assert (answer.status, answer.json["expires_in"]) == (200, 30)
    assert answer.json["ticket"].startswith("bt_")
    assert api.post("/v1/auth/ws-ticket", None).code == "forbidden"
    assert api.post("/v1/auth/ws-ticket", None, auth=None).status == 401
    taken = api.tickets().take(answer.json["ticket"])
    assert taken is not None
    assert (taken.app, taken.user, taken.origin) == ("main", "ana", "https://x.example")
    assert "inbox:read" in taken.scopes


def test_no_secret_is_in_the_log(api: Api) -> None:
    register(api, "mia")
    grant = sign_in(api, "mia").json
    again = api.post("/v1/auth/refresh", {"refresh": grant["refresh"]}, auth=None).json
    ticket = api.post("/v1/auth/ws-ticket", None, auth=again["access"]).json["ticket"]
    api.post("/v1/auth/logout", {"refresh": again["refresh"]}, auth=None)

    log = api.log.read_text()

    assert "/v1/auth/logout" in log
    for secret in (PASSWORD, grant["access"], grant["refresh"], again["refresh"], ticket):
        assert secret not in log
