"""The transaction that is run again, and the session that only reads."""

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.db import ATTEMPTS, BUSY_SECONDS, Database, RunAgain
from shared.models import tables as t
from shared.store import apps
from tests.integration.store.support import NOW, dump, member, store

GREENLETS = """
from gevent import monkey
monkey.patch_all()
import sys, time
import gevent
from sqlalchemy import text
from shared.db import Database

database = Database(f"sqlite:///{sys.argv[1]}")
database.run(lambda session: session.execute(text("CREATE TABLE written (n INTEGER)")))

def write(session):
    session.execute(text("INSERT INTO written VALUES (1)"))
    gevent.sleep(0.05)  # as when Redis is asked

begun = time.monotonic()
gevent.joinall([gevent.spawn(database.run, write) for _ in range(4)], raise_error=True)
print(time.monotonic() - begun)
"""


@pytest.fixture
def impatient(db: Database) -> Database:
    """The same database without the pauses."""
    return Database(db.engine.url.render_as_string(hide_password=False), sleep=lambda _: None)


def test_a_transaction_that_has_to_give_way_runs_again_and_leaves_no_trace_of_the_first(
    impatient: Database,
) -> None:
    attempts: list[int] = []

    def work(session: Session) -> str:
        attempts.append(1)
        apps.create(session, f"app-{len(attempts)}", epoch="0" * 16, now_ms=NOW)
        if len(attempts) < 3:
            raise RunAgain("test")
        return "done"

    assert impatient.run(work) == "done"
    assert [row[1] for row in dump(impatient)["apps"]] == ["main", "app-3"]


def test_it_gives_up_after_five_attempts(impatient: Database) -> None:
    attempts: list[int] = []

    def work(_: Session) -> None:
        attempts.append(1)
        raise RunAgain("test")

    with pytest.raises(RunAgain):
        impatient.run(work)
    assert len(attempts) == ATTEMPTS


def test_other_errors_are_not_tried_again(impatient: Database) -> None:
    attempts: list[int] = []

    def work(session: Session) -> None:
        attempts.append(1)
        session.execute(text("SELECT nonsense FROM nowhere"))

    with pytest.raises(DBAPIError):
        impatient.run(work)
    assert len(attempts) == 1


def test_a_row_that_somebody_else_inserted_first_is_seen_by_the_next_attempt(impatient: Database) -> None:
    row = {"name": "twin", "epoch": "0" * 16, "all_seq": 0, "created_at": to_datetime(NOW)}
    seen: list[object] = []

    def work(session: Session) -> None:
        seen.append(apps.get(session, "twin"))
        if seen[-1] is None:
            session.execute(insert(t.apps).values(row))
            session.execute(insert(t.apps).values(row))

    with pytest.raises(IntegrityError):
        impatient.run(work)
    assert len(seen) == ATTEMPTS


def test_two_that_lock_each_other_out_both_get_through(db: Database) -> None:
    store(db, member("ana", "ben"))
    with db.session() as session:
        ids = list(session.scalars(select(t.users.c.id).order_by(t.users.c.id)))
    meeting = threading.Barrier(2, timeout=5)

    def crosswise(first: int, second: int) -> Callable[[Session], None]:
        met: list[bool] = []

        def work(session: Session) -> None:
            for id in (first, second):
                row = t.streams.c.user_id == id
                session.execute(update(t.streams).where(row).values(rev=t.streams.c.rev + 1))
                if not met and db.dialect != "sqlite":
                    met.append(True)
                    meeting.wait()

        return work

    threads = [
        threading.Thread(target=db.run, args=(crosswise(*pair),), daemon=True) for pair in (ids, ids[::-1])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    with db.session() as session:
        assert list(session.scalars(select(t.streams.c.rev))) == [3, 3]


def test_a_reading_session_keeps_nothing(db: Database) -> None:
    refused = pytest.raises(DBAPIError) if db.dialect != "mysql" else nullcontext()
    with refused, db.session() as session:
        session.execute(update(t.apps).values(all_seq=7))
    assert dump(db)["apps"][0][3] == 0


def test_a_reader_is_not_held_up_by_a_writer(db: Database) -> None:
    store(db, member("ana"))

    def work(session: Session) -> int:
        session.execute(update(t.streams).values(rev=99))
        return len(dump(db)["streams"]) + max(row[4] for row in dump(db)["streams"])

    assert db.run(work) == 2


def test_ping_answers_and_names_the_dialect(db: Database) -> None:
    db.ping()
    assert db.dialect in ("sqlite", "postgresql", "mysql")


def test_ping_fails_where_there_is_no_database() -> None:
    for url in (
        "postgresql+psycopg://u@127.0.0.1:1/x",
        "mysql+pymysql://u@127.0.0.1:1/x",
        "sqlite:////nowhere/x.db",
    ):
        with pytest.raises(DBAPIError):
            Database(url).ping()


def test_an_unknown_kind_of_database_is_refused() -> None:
    with pytest.raises(ValueError, match="oracle"):
        Database("oracle://u@127.0.0.1/x")


def test_sqlite_is_set_up_for_one_writer_and_many_readers(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/one.db")
    with db.engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 10_000}


def test_sqlite_takes_its_lock_before_it_reads(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/one.db")
    order: list[str] = []
    trying = threading.Event()

    def second(session: Session) -> None:
        session.execute(text("SELECT 1"))
        order.append("second")

    def try_second() -> None:
        trying.set()
        db.run(second)

    def first(session: Session) -> None:
        session.execute(text("SELECT 1"))
        thread.start()
        trying.wait(5)
        thread.join(0.1)  # it must not get in, however long it tries
        order.append("first")

    thread = threading.Thread(target=try_second, daemon=True)
    db.run(first)
    thread.join(10)

    assert order == ["first", "second"]


def test_on_sqlite_greenlets_that_write_wait_for_one_another_and_not_with_the_whole_process(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", GREENLETS, str(tmp_path / "db.sqlite")]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    # Otherwise the second one stops the first for as long as SQLite waits for a lock: ten seconds, again and again.
    assert float(told.stdout) < BUSY_SECONDS / 2
