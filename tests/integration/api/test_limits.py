"""Limits and quotas through the real api: what a sender is told, several apis on one Redis, and Redis away."""

import time

import pytest
import redis

from tests.integration.api.support import Api, until

HEADERS = ("ratelimit-policy", "ratelimit", "retry-after")


def message(*users: str, **more) -> dict:
    return {"to": {"users": list(users or ["ana"])}, "event": "order.paid", **more}


def post(api: Api, *users: str, **options):
    return api.post("/v1/notifications", message(*users), **options)


def batch(api: Api, *items: dict, **options):
    return api.post("/v1/notifications/batch", {"notifications": list(items)}, **options)


def told(answer) -> tuple[str | None, ...]:
    return tuple(answer.headers.get(name) for name in HEADERS)


def journal(api: Api) -> int:
    with redis.Redis.from_url(api.redis_url) as client:
        return client.hlen("journal")


@pytest.fixture
def limited(start_api, own_redis) -> Api:
    """At most 3 requests an hour of a key, 10 recipients a day of a sender, 20 of the app."""
    return start_api(
        own_redis.url,
        BELLHOP_LIMIT_KEY="3/1h",
        BELLHOP_QUOTA_KEY="10/1d",
        BELLHOP_QUOTA_APP="20/1d",
    )


def test_contract_d_is_under_the_limit_of_its_key_and_says_so_in_its_own_way(start_api, own_redis):
    api = start_api(own_redis.url, BELLHOP_LIMIT_KEY="2/15m")
    body = {"recipientId": "ana", "message": "m", "apiKey": api.key}
    answers = [api.post("/webhook/notify", body, auth=None) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].json == {"success": False, "error": "Over the limit key: 2 requests in 900 s."}
    assert int(answers[2].headers["retry-after"]) in range(440, 451)
    assert journal(api) == 2


def test_a_sender_is_told_what_is_left_and_then_to_wait(limited: Api):
    policy = '"key";q=3;w=3600, "key-quota";q=10;w=86400, "app-quota";q=20;w=86400'
    assert told(post(limited, "ana", "bob", "ana")) == (
        policy,
        '"key";r=2;t=1200, "key-quota";r=8;t=17280, "app-quota";r=18;t=8640',
        None,
    )
    assert post(limited).status == post(limited).status == 202

    refused = post(limited)

    assert (refused.status, refused.code) == (429, "too_many_requests")
    assert refused.json["error"]["detail"] == {"limit": "key"}
    assert int(refused.headers["retry-after"]) in range(1190, 1201)
    assert refused.headers["ratelimit"].startswith('"key";r=0;t=')
    assert journal(limited) == 3
    # The other routes count on the same bucket, and another key on its own.
    assert limited.call("GET", "/v1/topics").status == 429
    assert post(limited, auth=limited.key_of("main")).status == 202


def test_a_quota_refuses_a_notification_whole(limited: Api):
    assert post(limited, *(f"u{number}" for number in range(8))).status == 202

    refused = post(limited, "a", "b", "c", headers={"Idempotency-Key": "k1"})

    assert (refused.status, refused.json["error"]["detail"]) == (429, {"limit": "key-quota"})
    assert refused.json["error"]["message"] == "Over the limit key-quota: 10 recipients in 86400 s."
    assert int(refused.headers["retry-after"]) in range(8500, 8641)
    # Nothing was kept: under the same key less is accepted.
    assert post(limited, "a", "b", headers={"Idempotency-Key": "k1"}).status == 202
    assert journal(limited) == 2


def test_what_never_fits_is_refused_for_its_form(limited: Api):
    refused = post(limited, *(f"u{number}" for number in range(11)))
    assert (refused.status, refused.code) == (422, "invalid_request")
    assert refused.json["error"]["message"] == "to.users: More than key-quota ever allows: 10 recipients."


def test_in_a_batch_each_is_judged_by_itself_and_repeating_gets_the_same(limited: Api):
    items = [
        message("a", "b"),
        message(event="no word"),
        message(*"cdefghijk"),
        message("l"),
        message(*"mnopqrst"),
    ]
    first = batch(limited, *items, headers={"Idempotency-Key": "b1"})
    again = batch(limited, *items, headers={"Idempotency-Key": "b1"})

    assert first.status == again.status == 202
    codes = [item.get("status") or item["error"]["code"] for item in first.json["items"]]
    assert codes == ["accepted", "invalid_request", "too_many_requests", "accepted", "too_many_requests"]
    assert first.json["items"][2]["error"]["detail"] == {"limit": "key-quota"}
    assert first.json["items"][2]["error"]["request_id"] == first.headers["x-request-id"]
    assert (again.body, again.headers["idempotent-replayed"]) == (first.body, "true")
    assert journal(limited) == 2
    assert '"key-quota";r=7;' in first.headers["ratelimit"]


def test_a_batch_of_which_nothing_passes_is_refused(limited: Api):
    post(limited, *(f"u{number}" for number in range(10)))
    refused = batch(limited, message("a"), message("b"), headers={"Idempotency-Key": "b1"})
    assert (refused.status, refused.json["error"]["detail"]) == (429, {"limit": "key-quota"})
    assert journal(limited) == 1


def test_all_keys_of_an_app_share_its_quota(limited: Api):
    ten = [f"u{number}" for number in range(10)]
    second, other = limited.key_of("main"), limited.key_of("shop")
    assert [post(limited, *ten, auth=auth).status for auth in ("", second)] == [202, 202]

    third = limited.key_of("main")
    assert post(limited, auth=third).json["error"]["detail"] == {"limit": "app-quota"}
    assert post(limited, *ten, auth=other).status == 202


def test_everyone_and_topics_count_as_one_at_first(limited: Api):
    for to in ({"everyone": True}, {"topics": ["news"]}):
        answer = limited.post("/v1/notifications", {"to": to, "event": "e"})
        assert answer.status == 202
    assert '"key-quota";r=8;' in answer.headers["ratelimit"]


def test_several_apis_share_one_limit_and_give_exactly_what_it_allows(start_api, own_redis):
    one = start_api(own_redis.url, BELLHOP_LIMIT_KEY="50/1h")
    two = start_api(own_redis.url, one.database_url, BELLHOP_LIMIT_KEY="50/1h")
    requests = [lambda api=api: post(api, auth=one.key) for api in (one, two) for _ in range(40)]

    answers = one.together(requests)

    assert sorted(answer.status for answer in answers) == [202] * 50 + [429] * 30
    assert journal(one) == 50


def test_after_the_wait_it_goes_on(start_api, own_redis):
    api = start_api(own_redis.url, BELLHOP_LIMIT_KEY="2/2s")
    answers = [post(api) for _ in range(3)]
    assert [answer.status for answer in answers] == [202, 202, 429]
    time.sleep(int(answers[2].headers["retry-after"]))  # this is what the header promises
    assert post(api).status == 202


def test_without_redis_reads_pass_and_sending_and_signing_in_do_not(start_api, own_redis):
    api = start_api(own_redis.url, BELLHOP_LIMIT_KEY="1/1h")
    assert api.call("GET", "/v1/topics").status == 200
    own_redis.kill()

    assert [api.call("GET", "/v1/topics").status for _ in range(3)] == [200] * 3
    sign_in = api.post("/v1/dev/sign-in", {"user": "ana"}, auth=None)
    assert (sign_in.status, sign_in.code, sign_in.headers["retry-after"]) == (503, "unavailable", "1")
    assert post(api).status == 503
    assert "bellhop_limits_unchecked_total 3.0" in _metrics(api)

    own_redis.start()
    until(lambda: api.call("GET", "/readiness", auth=None).status == 200)
    assert api.post("/v1/dev/sign-in", {"user": "ana"}, auth=None).status == 200


def _metrics(api: Api) -> str:
    # Without Redis the journal's figures are missing, and the rest is told all the same.
    return api.call("GET", "/metrics", auth=None).body.decode()


def test_strangers_behind_a_proxy_are_counted_by_their_address(start_api, own_redis):
    api = start_api(own_redis.url, BELLHOP_LIMIT_ADDRESS="2/1h", BELLHOP_TRUSTED_PROXIES="127.0.0.1")

    def look(address: str):
        return api.call("GET", "/v1/topics", auth=None, headers={"X-Forwarded-For": address}).status

    assert [look("203.0.113.7") for _ in range(3)] == [401, 401, 429]
    assert look("203.0.113.8") == 401
    # An IPv6 customer has a whole network of addresses.
    assert [look(f"2001:db8:1:2::{number}") for number in (1, 2, 3)] == [401, 401, 429]
    assert api.call("GET", "/v1/topics", headers={"X-Forwarded-For": "203.0.113.7"}).status == 200
