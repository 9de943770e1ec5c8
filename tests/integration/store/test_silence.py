"""A database that is there and says nothing: who waits for it is told in time, and the connection is used no more."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from shared.breaker import Breaker
from shared.db import Database, engine
from shared.domain.breaker import Rule, State
from tests.fixtures.databases import MakeDatabase
from tests.integration.relay import Relay

PATIENCE = 0.5
SLACK = 5.0
"""Of a loaded machine; far below what a driver without a deadline would wait."""
OWN = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}
SLEEP = {"postgresql": "SELECT pg_sleep(20)", "mysql": "SELECT SLEEP(20)"}


@pytest.fixture(params=["postgresql", "mariadb"])
def relayed(request: pytest.FixtureRequest, make_database: MakeDatabase) -> Iterator[tuple[str, Relay]]:
    """The URL of a database behind a relay."""
    url = make_url(make_database(request.param))
    relay = Relay(url.port or (5432 if request.param == "postgresql" else 3306))
    yield url.set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False), relay
    relay.close()


@pytest.fixture
def patient(
    relayed: tuple[str, Relay], request: pytest.FixtureRequest
) -> Iterator[tuple[Database, Breaker, Relay]]:
    url, relay = relayed
    breaker = Breaker(request.node.name, Rule(failures=1, pause=0.2), monotonic=time.monotonic)
    database = Database(url, breaker=breaker, patience=PATIENCE, sleep=lambda _: None)
    yield database, breaker, relay
    database.close()


def own(session: Session) -> int:
    """Which connection it is."""
    return int(session.scalar(text(OWN[session.get_bind().dialect.name])))


def fails_in_time(act: Callable[[], Any], within: float = PATIENCE) -> None:
    begun = time.monotonic()
    with pytest.raises(OperationalError) as failed:
        act()
    assert failed.value.connection_invalidated
    assert time.monotonic() - begun < within + SLACK


def comes_back(database: Database, breaker: Breaker) -> int:
    """Wait for the circuit, then ask; which connection answers."""
    deadline = time.monotonic() + 10
    while breaker.wait > 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with database.session() as session:
        found = own(session)
    assert breaker.state is State.CLOSED
    return found


def test_the_first_who_waits_is_told_in_time_and_its_connection_is_not_used_again(patient) -> None:
    database, breaker, relay = patient
    used = []

    def read() -> None:
        with database.session() as session:
            used.append(own(session))
            relay.silent.set()
            session.execute(text("SELECT 1"))

    fails_in_time(read)
    assert breaker.state is State.OPEN
    relay.mend()
    assert comes_back(database, breaker) not in used


def test_a_transaction_that_met_silence_is_not_begun_again(patient) -> None:
    """Each further attempt would wait as long."""
    database, breaker, relay = patient
    database.ping()
    attempts = []

    def work(session: Session) -> None:
        attempts.append(own(session))
        relay.silent.set()
        session.execute(text("SELECT 1"))

    fails_in_time(lambda: database.run(work))
    assert len(attempts) == 1
    relay.mend()
    comes_back(database, breaker)


def test_a_connection_that_died_while_it_rested_costs_a_moment_and_no_error(patient, monkeypatch) -> None:
    """As behind a network that forgets the silent; those that rested beside it are not tried either."""
    database, breaker, relay = patient
    with database.session() as first, database.session() as second:
        before = {own(first), own(second)}
    monkeypatch.setattr(engine, "REST_SECONDS", 0.0)
    monkeypatch.setattr(engine, "CONNECT_SECONDS", PATIENCE)
    relay.deafen()

    begun = time.monotonic()
    with database.session() as one, database.session() as other:
        assert not {own(one), own(other)} & before
    assert time.monotonic() - begun < 2 * PATIENCE + SLACK
    assert breaker.state is State.CLOSED


def test_a_slow_statement_is_ended_by_the_server_and_is_no_absence(relayed, monkeypatch) -> None:
    monkeypatch.setattr(engine, "STATEMENT_SECONDS", 1)
    url, _ = relayed
    breaker = Breaker(f"slow {url}", Rule(failures=1), monotonic=time.monotonic)
    database = Database(url, breaker=breaker, patience=15)
    begun = time.monotonic()
    with database.session() as session:
        used = own(session)
        with pytest.raises(OperationalError) as ended:
            session.execute(text(SLEEP[database.dialect]))
        assert not ended.value.connection_invalidated
        session.rollback()
        assert own(session) == used
    assert time.monotonic() - begun < 1 + SLACK
    assert breaker.state is State.CLOSED
    database.close()
