"""The circuit around the database of the api: it opens, answers at once, and closes when the database is back."""

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import make_url

from tests.integration.api.support import Answer, Api, until
from tests.integration.migrating import migrate
from tests.integration.relay import Relay

GOOD = {"to": {"users": ["ana"]}, "event": "order.paid"}


@pytest.fixture(params=["postgresql", "mariadb"])
def relayed(request: pytest.FixtureRequest, make_database) -> Iterator[tuple[str, Relay]]:
    """The URL of a migrated database behind a relay."""
    direct = make_database(request.param)
    migrate(direct)
    url = make_url(direct)
    relay = Relay(url.port or (5432 if request.param == "postgresql" else 3306))
    yield url.set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False), relay
    relay.close()


def metric(api: Api, name: str) -> float:
    text = api.call("GET", "/metrics", auth=None).body.decode()
    line = next(
        line for line in text.splitlines() if line.startswith(f'bellhop_breaker_{name}{{name="database"}}')
    )
    return float(line.rpartition(" ")[2])


def read(api: Api) -> Answer:
    return api.call("GET", "/v1/users/ana")


def test_a_database_that_takes_no_connections_costs_nobody_the_wait(start_api, redis_url, relayed):
    """Silent from the start of a connection on: without the circuit all wait for 3 s, 15 at a time."""
    url, relay = relayed
    api = start_api(redis_url, url)
    assert api.call("PUT", "/v1/users/ana", {}).status == 201
    assert metric(api, "state") == 0
    relay.break_off()
    relay.cut = False
    relay.silent.set()

    first = api.together([lambda: api.call("GET", "/v1/users/ana", wait=40)] * 40)
    assert {(answer.status, answer.code) for answer in first} == {(503, "unavailable")}
    # Those of the first who got a place wait for their own connection, all others for none.
    assert max(answer.seconds for answer in first) < 8
    until(lambda: metric(api, "state") == 2)

    answers = [read(api) for _ in range(20)]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert sorted(answer.seconds for answer in answers)[10] < 0.5
    assert metric(api, "refused_total") > 0
    assert api.post("/v1/notifications", GOOD).status == 202  # the keys known before, and the journal
    assert api.lines("breaker_opened")

    relay.mend()
    until(lambda: read(api).status == 200, seconds=15)
    assert metric(api, "state") == 0
    assert api.lines("breaker_closed")


def test_a_database_that_falls_silent_in_the_middle_costs_the_first_caller_its_patience_and_no_more(
    start_api, redis_url, relayed
):
    """Its connections are open and say nothing any more; the drivers would wait without end."""
    url, relay = relayed
    api = start_api(redis_url, url)
    assert api.call("PUT", "/v1/users/ana", {}).status == 201
    assert read(api).status == 200
    relay.silent.set()

    first = api.together([lambda: api.call("GET", "/v1/users/ana", wait=60)] * 3)
    assert {(answer.status, answer.code) for answer in first} == {(503, "unavailable")}
    # One answer has 15 s; a connection that rested is tried for 3 s, and so is a new one.
    assert max(answer.seconds for answer in first) < 15 + 2 * 3 + 3

    relay.mend()
    until(lambda: read(api).status == 200, seconds=15)
    assert [read(api).status for _ in range(10)] == [200] * 10, "none of the old connections is left"
    assert metric(api, "state") == 0
