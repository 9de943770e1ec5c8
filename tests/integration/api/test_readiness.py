"""The api says within 5 seconds that it cannot accept, and by itself that it can again."""

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import make_url

from shared.redis import client
from tests.integration.api.support import Api, store_all, until
from tests.integration.migrating import migrate
from tests.integration.relay import Relay

GOOD = {"to": {"users": ["ana"]}, "event": "order.paid"}
RED_S = 5


def readiness(api: Api) -> tuple[int, dict]:
    answer = api.call("GET", "/readiness", auth=None)
    return answer.status, answer.json


def post(api: Api):
    return api.post("/v1/notifications", GOOD)


def assert_refused_soon(api: Api) -> None:
    answers = [post(api) for _ in range(3)]
    assert {(answer.status, answer.code) for answer in answers} == {(503, "unavailable")}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert min(answer.seconds for answer in answers) < 1


@pytest.fixture
def way(own_redis) -> Iterator[Relay]:
    relay = Relay(own_redis.port)
    yield relay
    relay.close()


def test_a_redis_behind_a_black_hole_is_red_and_green_again(start_api, way):
    api = start_api(f"redis://127.0.0.1:{way.port}/0")
    assert (post(api).status, readiness(api)[0]) == (202, 200)

    way.silent.set()
    until(lambda: readiness(api)[0] == 503, seconds=RED_S)
    assert readiness(api)[1]["redis"] == "disconnected"
    assert_refused_soon(api)

    way.mend()
    until(lambda: readiness(api)[0] == 200 and post(api).status == 202)


def test_a_full_redis_refuses_at_once_is_red_and_recovers(start_api, own_redis):
    api = start_api(own_redis.url)
    before = [post(api).json["id"] for _ in range(3)]
    connection = client.connect(own_redis.url)

    connection.config_set("maxmemory", "1")
    assert_refused_soon(api)
    status, body = readiness(api)
    assert (status, body["status"]) == (503, "NOT_READY")
    assert "OutOfMemory" in body["reason"]
    # Not one of the refused ones was half accepted.
    assert sorted(id.decode() for id in connection.hkeys("journal")) == sorted(before)
    assert connection.zcard("journal:due") == 3

    connection.config_set("maxmemory", "0")
    until(lambda: readiness(api)[0] == 200 and post(api).status == 202, seconds=RED_S)
    connection.close()


@pytest.mark.parametrize(
    ("setting", "size"), [("BELLHOP_INTAKE_MAX", "5"), ("BELLHOP_INTAKE_MAX_BYTES", "1300")]
)
def test_without_the_database_it_accepts_while_the_journal_has_room(
    start_api, redis_url, make_database, setting, size
):
    direct = make_database("postgresql")
    migrate(direct)
    url = make_url(direct)
    relay = Relay(url.port or 5432)
    through = url.set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False)
    api = start_api(redis_url, through, **{setting: size})
    assert api.call("PUT", "/v1/users/ana", {}).status == 201
    relay.break_off()

    accepted = []
    while (answer := post(api)).status == 202:
        # Accepting fills the journal, so the last one may leave no room for another.
        accepted.append(answer.json["id"])
        assert len(accepted) <= 5
    assert len(accepted) >= 4
    assert_refused_soon(api)
    if setting == "BELLHOP_INTAKE_MAX":
        status, body = readiness(api)
        assert (status, body["redis"]) == (503, "connected")
        assert "journal is full: 5 entries" in body["reason"]

    relay.mend()
    until(lambda: api.call("GET", "/v1/users/ana").status == 200)
    assert sorted(store_all(api)) == sorted(accepted)
    assert (readiness(api)[0], post(api).status) == (200, 202)
    relay.close()


def test_without_the_database_it_stays_ready(start_api, redis_url, make_database):
    direct = make_database("postgresql")
    migrate(direct)
    url = make_url(direct)
    relay = Relay(url.port or 5432)
    through = url.set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False)
    api = start_api(redis_url, through)
    assert post(api).status == 202
    relay.silent.set()

    for _ in range(3):
        assert readiness(api)[0] == 200
    assert post(api).status == 202
    relay.close()
