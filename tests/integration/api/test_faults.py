"""What callers see while Redis or the database is away, slow, or full; and that all is well afterwards."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from sqlalchemy.engine import make_url

from shared.domain import paging
from shared.store import users
from tests.fixtures.databases import DIALECTS
from tests.fixtures.redis_server import RedisServer
from tests.integration.api.support import Api, until
from tests.integration.migrating import migrate
from tests.integration.relay import Relay

GOOD = {"to": {"users": ["ana"]}, "event": "order.paid"}


def post(api: Api):
    return api.post("/v1/notifications", GOOD)


@contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    """The server takes connections and answers nothing, as behind a network that lost its way."""
    os.kill(server._child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server._child.pid, signal.SIGCONT)


def assert_refused(answers) -> None:
    for answer in answers:
        assert (answer.status, answer.code) == (503, "unavailable")
        assert answer.json["error"]["retryable"] is True
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.seconds < 1.5


def test_without_redis_a_post_is_refused_within_a_second_and_taken_again_afterwards(start_api, own_redis):
    api = start_api(own_redis.url)
    assert post(api).status == 202
    own_redis.kill()

    answers = api.together([lambda: post(api)] * 20)
    assert_refused(answers)
    assert min(answer.seconds for answer in answers) < 1
    ready = api.call("GET", "/readiness", auth=None)
    assert (ready.status, ready.json["status"], ready.json["redis"]) == (503, "NOT_READY", "disconnected")
    assert ready.json["reason"]
    assert api.call("GET", "/health", auth=None).status == 200
    assert api.call("GET", "/v1/users/ana").status == 404  # the database answers as ever

    own_redis.start()
    until(lambda: api.call("GET", "/readiness", auth=None).status == 200)
    assert post(api).status == 202


def test_a_redis_that_answers_nothing_is_given_up_after_half_a_second(start_api, own_redis):
    api = start_api(own_redis.url)
    assert post(api).status == 202
    with frozen(own_redis):
        answers = api.together([lambda: post(api)] * 20)
        assert_refused(answers)
        assert min(answer.seconds for answer in answers) < 1

    until(lambda: post(api).status == 202)


def test_a_repetition_after_a_503_makes_one_notification(start_api, own_redis):
    api = start_api(own_redis.url)
    headers = {"Idempotency-Key": "k"}
    with frozen(own_redis):
        assert api.post("/v1/notifications", GOOD, headers=headers).status == 503
    until(lambda: api.post("/v1/notifications", GOOD, headers=headers).status == 202)

    with redis.Redis.from_url(own_redis.url) as client:
        assert client.hlen("journal") == 1


def test_a_full_journal_refuses_and_says_when_to_come_back(start_api, redis_url):
    api = start_api(redis_url, BELLHOP_INTAKE_MAX="3")
    answers = [post(api) for _ in range(5)]

    assert [answer.status for answer in answers] == [202, 202, 202, 503, 503]
    assert_refused(answers[3:])
    batch = api.post("/v1/notifications/batch", {"notifications": [GOOD] * 2})
    assert batch.status == 503


def test_a_journal_full_of_bytes_refuses_too(start_api, redis_url):
    api = start_api(redis_url, BELLHOP_INTAKE_MAX_BYTES="2048")
    body = {**GOOD, "data": {"x": "y" * 1000}}

    assert [api.post("/v1/notifications", body).status for _ in range(3)] == [202, 503, 503]


def test_without_the_broker_a_post_is_accepted_all_the_same(start_api, redis_url, own_redis):
    api = start_api(redis_url, BROKER_URL=own_redis.url)
    own_redis.kill()

    answers = api.together([lambda: post(api)] * 10)
    assert {answer.status for answer in answers} == {202}
    with redis.Redis.from_url(redis_url) as client:
        assert client.hlen("journal") == 10
    until(lambda: api.lines("enqueue_failed"))


@pytest.fixture(params=["postgresql", "mariadb"])
def relayed(request, make_database) -> Iterator[tuple[str, Relay]]:
    """The URL of a migrated database behind a relay."""
    direct = make_database(request.param)
    migrate(direct)
    url = make_url(direct)
    relay = Relay(url.port or (5432 if request.param == "postgresql" else 3306))
    yield url.set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False), relay
    relay.close()


def test_without_the_database_sending_goes_on_and_reading_waits(start_api, redis_url, relayed):
    url, relay = relayed
    api = start_api(redis_url, url)
    token = api.token("ana", scopes=["notifications:write"])
    assert api.call("PUT", "/v1/users/ana", {}).status == 201
    relay.break_off()

    for _ in range(3):
        assert post(api).status == 202
    assert api.post("/v1/notifications", GOOD, auth=token).status == 202
    topics = {"topics": ["news"], "exclude": {"topics": ["beta"]}}
    assert api.post("/v1/notifications", {**GOOD, "to": topics}).status == 202
    assert api.call("GET", "/readiness", auth=None).status == 200
    for method, path, body in [
        ("GET", "/v1/users/ana", None),
        ("PUT", "/v1/users/ana", {}),
        ("GET", "/v1/api-keys", None),
        ("POST", "/v1/api-keys", {"name": "n", "scopes": ["users:read"]}),
        ("PUT", "/v1/topics/news/subscribers/ana", None),
        ("POST", "/v1/notifications/preview", {"to": {"users": ["ana"]}}),
        ("PUT", "/v1/segments/paid", {"rule": {"attribute": "plan", "is": "paid"}}),
        # The audiences of which something must be known when they are accepted: who is out, and what there is.
        ("POST", "/v1/notifications", {**GOOD, "to": {"segments": ["paid"]}}),
        ("POST", "/v1/notifications", {**GOOD, "to": {"users": ["a"], "exclude": {"segments": ["paid"]}}}),
        ("POST", "/v1/notifications", {**GOOD, "to": {"everyone": True, "exclude": {"topics": ["beta"]}}}),
    ]:
        answer = api.call(method, path, body)
        assert (answer.status, answer.code) == (503, "unavailable"), path
        assert answer.headers["retry-after"]
    assert api.call("GET", "/v1/inbox", auth=token).status == 503

    relay.mend()
    until(lambda: api.call("GET", "/v1/users/ana").status == 200)


def test_a_database_that_falls_silent_does_not_silence_sending(start_api, redis_url, relayed):
    url, relay = relayed
    api = start_api(redis_url, url)
    assert post(api).status == 202
    relay.silent.set()

    answers = []
    deadline = time.monotonic() + 20
    while len(api.lines("key_taken_without_database")) < 2 and time.monotonic() < deadline:
        answers += api.together([lambda: post(api)] * 10)
    assert {answer.status for answer in answers} == {202}
    assert max(answer.seconds for answer in answers) < 4
    assert sorted(answer.seconds for answer in answers)[len(answers) // 2] < 1
    assert len(api.lines("key_taken_without_database")) >= 2


def test_a_database_that_is_slow_to_answer_one_does_not_hold_up_the_others(
    start_api, redis_url, make_database
):
    url = make_database("postgresql")
    migrate(url)
    api = start_api(redis_url, url)
    assert api.call("PUT", "/v1/users/ana", {}).status == 201
    with api.database.engine.begin() as holding:
        # Somebody holds the row, so the change has to wait for as long.
        holding.exec_driver_sql("UPDATE users SET locale = 'de'")
        waiting = threading.Thread(target=lambda: api.call("PUT", "/v1/users/ana", {"locale": "fr"}))
        waiting.start()
        until(lambda: _waits_for_a_lock(api))
        answers = [post(api) for _ in range(5)] + [api.call("GET", "/v1/users/ana")]
        assert max(answer.seconds for answer in answers) < 1
        assert waiting.is_alive()
    waiting.join()
    with api.database.session() as session:
        assert users.get(session, 1, "ana").locale == "fr"


def _waits_for_a_lock(api: Api) -> bool:
    with api.database.engine.connect() as connection:
        statement = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(connection.exec_driver_sql(statement).scalar())


def test_an_app_that_only_the_settings_know_has_no_keys(start_api, redis_url):
    api = start_api(redis_url, BELLHOP_JWT_APPS="main,nowhere")
    token = api.token("ana", app="nowhere", scopes=["keys:write", "users:read"])

    refused = api.post("/v1/api-keys", {"name": "n", "scopes": ["users:read"]}, auth=token)

    assert (refused.status, refused.code) == (404, "not_found")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_id_that_no_key_can_have_is_not_found_on_any_database(
    start_api, make_database, redis_url, dialect
):
    url = make_database(dialect)
    migrate(url)
    api = start_api(redis_url, url)

    assert api.call("DELETE", "/v1/api-keys/8%F0%AB%BD%BE").status == 404
    assert api.call("GET", f"/v1/api-keys?cursor={paging.encode('api-keys', chr(0x2BF7E))}").status == 422
