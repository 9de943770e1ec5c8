"""Limits on routes that do not send: whom they count, what a caller is told, and what happens without Redis."""

import pytest
from prometheus_client import REGISTRY

from tests.unit.api.app import KEY, FakeApp

OUTSIDE = "203.0.113.7"


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"bellhop_{name}_total", labels) or 0.0


def rates(answer) -> tuple[str | None, str | None]:
    return answer.headers.get("ratelimit-policy"), answer.headers.get("ratelimit")


def test_a_key_is_told_what_is_left_and_refused_when_nothing_is():
    app = FakeApp({"BELLHOP_LIMIT_KEY": "2/1m"})
    app.audiences.answer = {"count": 0, "sample": []}
    preview = {"to": {"users": ["ana"]}}

    assert rates(app.post("/v1/notifications/preview", preview)) == ('"key";q=2;w=60', '"key";r=1;t=30')
    assert rates(app.call("GET", "/v1/notifications/x")) == ('"key";q=2;w=60', '"key";r=0;t=60')
    calls = len(app.audiences.calls)
    refused = app.post("/v1/notifications/preview", preview)

    assert refused.status_code == 429
    assert rates(refused) == ('"key";q=2;w=60', '"key";r=0;t=60')
    assert refused.headers["retry-after"] == "30"
    error = refused.json["error"]
    assert (error["code"], error["retryable"], error["detail"]) == (
        "too_many_requests",
        True,
        {"limit": "key"},
    )
    assert error["message"] == "Over the limit key: 2 requests in 60 s."
    assert len(app.audiences.calls) == calls


def test_also_what_is_forbidden_counts():
    app = FakeApp({"BELLHOP_LIMIT_KEY": "1/1m"})
    app.give(["users:read"])
    assert app.call("GET", "/v1/topics").status_code == 403
    assert app.call("GET", "/v1/topics").status_code == 429


def test_users_and_keys_are_counted_apart():
    app = FakeApp({"BELLHOP_LIMIT_KEY": "9/1m", "BELLHOP_LIMIT_USER": "1/1m"})
    app.inboxes.answer = {"total": 0, "unseen": 0, "unread": 0, "archived": 0}
    ana, bob = app.token("ana"), app.token("bob")

    found = [app.call("GET", "/v1/inbox/counts", auth=auth).status_code for auth in (ana, ana, bob)]

    assert found == [200, 429, 200]
    assert app.call("GET", "/v1/inbox/counts", auth=app.token("ana", app="shop")).status_code == 200
    assert app.limits.calls == [["user main ana"], ["user main ana"], ["user main bob"], ["user shop ana"]]


def test_without_a_limit_redis_is_not_asked():
    app = FakeApp()
    app.call("GET", "/v1/notifications/x", remote_addr=OUTSIDE)
    app.call("GET", "/v1/inbox/counts", auth=app.token(), remote_addr=OUTSIDE)
    assert app.limits.calls == []


def test_who_has_no_valid_credential_counts_by_address():
    app = FakeApp({"BELLHOP_LIMIT_ADDRESS": "3/1m"})
    bad = [None, KEY.secret[:-1] + "!", "no.token.this"]

    found = [app.call("GET", "/v1/topics", auth=auth, remote_addr=OUTSIDE) for auth in (*bad, None)]

    assert [answer.status_code for answer in found] == [401, 401, 401, 429]
    assert rates(found[0]) == ('"address";q=3;w=60', '"address";r=2;t=20')
    assert found[3].headers["retry-after"] == "20"
    # Others, and whoever has a credential, are not disturbed.
    assert app.call("GET", "/v1/topics", auth=None, remote_addr="203.0.113.8").status_code == 401
    assert app.call("GET", "/v1/notifications/x", remote_addr=OUTSIDE).status_code == 404
    assert app.call("GET", "/docs", auth=None, remote_addr=OUTSIDE).status_code == 429


@pytest.mark.parametrize("path", ["/health", "/readiness", "/metrics"])
def test_supervisors_are_not_counted(path: str):
    app = FakeApp({"BELLHOP_LIMIT_ADDRESS": "1/1m"})
    assert [app.call("GET", path, auth=None, remote_addr=OUTSIDE).status_code for _ in "abc"] == [200] * 3


def test_the_address_is_that_before_the_trusted_proxies():
    settings = {"BELLHOP_LIMIT_ADDRESS": "1/1m", "BELLHOP_TRUSTED_PROXIES": "127.0.0.1"}
    app, forged = FakeApp(settings), FakeApp({"BELLHOP_LIMIT_ADDRESS": "1/1m"})
    behind = {"headers": {"X-Forwarded-For": OUTSIDE}, "auth": None, "remote_addr": "127.0.0.1"}
    assert [app.call("GET", "/docs", **behind).status_code for _ in "ab"] == [200, 429]
    assert app.limits.calls[0] == [f"address {OUTSIDE}"]
    # Of this machine nobody is told apart, whatever the header says.
    assert [forged.call("GET", "/docs", **behind).status_code for _ in "ab"] == [200, 200]


def test_without_redis_everything_passes_uncounted():
    app = FakeApp({"BELLHOP_LIMIT_KEY": "1/1m", "BELLHOP_LIMIT_ADDRESS": "1/1m"})
    app.limits.away = True
    before = metric("limits_unchecked")

    found = [app.call("GET", "/v1/notifications/x") for _ in range(3)]
    strangers = [app.call("GET", "/v1/topics", auth=None, remote_addr=OUTSIDE) for _ in range(2)]

    assert [answer.status_code for answer in (*found, *strangers)] == [404, 404, 404, 401, 401]
    assert rates(found[0]) == (None, None)
    assert metric("limits_unchecked") - before == 5


def test_but_nobody_signs_in():
    app = FakeApp()
    body = {"user": "ana"}
    own = {"headers": {"Host": "localhost"}, "auth": None, "remote_addr": "127.0.0.1"}
    assert app.post("/v1/dev/sign-in", body, **own).status_code == 200
    app.limits.away = True

    refused = app.post("/v1/dev/sign-in", body, **own)

    assert (refused.status_code, refused.json["error"]["code"]) == (503, "unavailable")
    assert refused.headers["retry-after"] == "1"


def test_attempts_to_sign_in_have_their_own_limit():
    app = FakeApp({"BELLHOP_LIMIT_SIGN_IN": "2/1m"})
    before = metric("limited", limit="sign-in")
    from_there = {"headers": {"Host": "localhost"}, "auth": None, "remote_addr": OUTSIDE}
    found = [app.post("/v1/dev/sign-in", {"user": "ana"}, **from_there) for _ in range(3)]
    assert [answer.status_code for answer in found] == [403, 403, 429]
    assert rates(found[0]) == ('"sign-in";q=2;w=60', '"sign-in";r=1;t=30')
    assert metric("limited", limit="sign-in") - before == 1


def test_pages_of_other_origins_may_read_the_headers():
    app = FakeApp({"BELLHOP_ORIGINS": "https://app.example"})
    answer = app.call("GET", "/health", auth=None, headers={"Origin": "https://app.example"})
    assert "RateLimit-Policy" in answer.headers["access-control-expose-headers"]
