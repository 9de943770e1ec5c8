"""What a circuit around a database takes for an absence: nobody there, and not a lock, a fault or a refusal."""

import time
from typing import Any

import pytest
from sqlalchemy import event, text, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from shared.breaker import Breaker
from shared.db import Database, DatabaseUnavailable
from shared.domain.breaker import Rule, State
from shared.models import tables as t

NO_PATIENCE = {
    "postgresql": "SET lock_timeout = '50ms'",
    "mysql": "SET SESSION innodb_lock_wait_timeout = 0",
    "sqlite": "PRAGMA busy_timeout = 50",
}


def guarded(url: str, name: str) -> tuple[Database, Breaker]:
    breaker = Breaker(name, Rule(failures=1), monotonic=time.monotonic)
    return Database(url, breaker=breaker, sleep=lambda _: None), breaker


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://u@127.0.0.1:1/x", "mysql+pymysql://u@127.0.0.1:1/x", "sqlite:////nowhere/x.db"],
)
def test_where_nobody_is_the_next_caller_is_told_at_once(url: str) -> None:
    database, breaker = guarded(url, f"nobody {url}")
    with pytest.raises(DBAPIError):
        database.ping()
    assert breaker.state is State.OPEN

    with pytest.raises(DatabaseUnavailable) as refused, database.session():
        raise AssertionError("entered")
    assert refused.value.retry_after == 1
    with pytest.raises(DatabaseUnavailable):
        database.run(lambda _: None)


def test_a_lock_held_by_another_is_no_absence(db: Database) -> None:
    database, breaker = guarded(db.engine.url.render_as_string(hide_password=False), f"lock {db.dialect}")

    def set_up(connection: Any, _: Any) -> None:
        connection.cursor().execute(NO_PATIENCE[db.dialect])
        connection.commit()

    def work(session: Session) -> None:
        session.execute(update(t.apps).values(all_seq=1))

    event.listen(database.engine, "connect", set_up)
    with db.engine.begin() as holding:
        holding.execute(update(t.apps).values(all_seq=2))
        with pytest.raises(OperationalError):
            database.run(work)
    assert breaker.state is State.CLOSED
    database.run(work)
    database.close()


def test_a_statement_that_is_refused_is_an_answer(db: Database) -> None:
    database, breaker = guarded(db.engine.url.render_as_string(hide_password=False), f"refused {db.dialect}")
    for statement in ("SELECT nonsense FROM nowhere", "nonsense"):
        with pytest.raises(DBAPIError), database.session() as session:
            session.execute(text(statement))
    assert breaker.state is State.CLOSED
    database.close()


def test_a_session_that_the_server_ends_is_an_absence(db: Database) -> None:
    if db.dialect == "sqlite":
        pytest.skip("SQLite has no server")
    database, breaker = guarded(db.engine.url.render_as_string(hide_password=False), f"ended {db.dialect}")
    own, end = {
        "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
        "mysql": ("SELECT connection_id()", "KILL {}"),
    }[db.dialect]

    def end_it() -> None:
        with database.session() as session:
            with db.engine.connect() as other:
                other.exec_driver_sql(end.format(session.scalar(text(own))))
            session.execute(text("SELECT 1"))

    with pytest.raises(DBAPIError):
        end_it()
    assert breaker.state is State.OPEN
    database.close()
