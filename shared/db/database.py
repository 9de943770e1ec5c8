"""The database as the store sees it: an engine, a reading session, and a writing transaction that is run again.

Two transactions that meet may both be right and yet one has to give way (deadlock, serialisation, a row that the other
inserted first). Everything the store writes may be run again, so the whole transaction is, here and nowhere else.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from shared import logs
from shared.breaker import Breaker, Meaning, Refused
from shared.db.engine import BUSY_SECONDS, PATIENCE_SECONDS, make_engine
from shared.domain.breaker import State
from shared.errors import Unavailable

T = TypeVar("T")
log = logs.get(__name__)

ATTEMPTS: Final = 5
_POSTGRES_AGAIN: Final = {
    "40001": "serialization_failure",
    "40P01": "deadlock",
    "55P03": "lock_timeout",
    "23505": "unique_race",
}
_MARIADB_AGAIN: Final = {
    1213: "deadlock",
    1205: "lock_timeout",
    1020: "serialization_failure",
    1062: "unique_race",
}
# What a driver says when there is no server behind it, or one that takes nobody in: SQLSTATE classes and codes
# (PostgreSQL, appendix A), error numbers (MariaDB, "error codes"), names (SQLite, "result codes").
_POSTGRES_AWAY: Final = ("08", "57P", "53300")
_MARIADB_AWAY: Final = frozenset({1040, 1053, 1927, 2002, 2003, 2006, 2013})
_SQLITE_AWAY: Final = ("SQLITE_CANTOPEN", "SQLITE_IOERR")


class DatabaseUnavailable(Unavailable):
    """The database does not answer; sending goes on, what reads or changes the database has to wait."""

    title = "The database does not answer."


class RunAgain(Exception):
    """The transaction saw the world change under it; it must start over. `str()` of it is the reason for the log."""


class Database:
    """One process's way to the database. Make it after a fork: connections are opened when first used."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 5,
        sleep: Callable[[float], None] | None = None,
        dice: Callable[[], float] = random.random,
        breaker: Breaker | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """`url` as SQLAlchemy spells it; `dice` gives numbers in [0, 1) for the pauses between attempts.

        With a `breaker` somebody waits: no answer of a server is waited for longer than `patience` seconds, and whoever
        asks while the database is known to be away gets DatabaseUnavailable at once.
        """
        self._patience = None if breaker is None else patience
        self._breaker = breaker
        self.engine: Engine = make_engine(
            make_url(url), pool_size, patience=self._patience, gate=self._before_connect
        )
        self._reading = self.engine.execution_options(bellhop_reading=True, **_read_only(self.dialect))
        # SQLite waits for its one lock with the whole process, and in a gevent process so does the one that holds it.
        self._writer = threading.Lock() if self.dialect == "sqlite" else None
        # Looked up now, not when this module was imported: a gevent process may have replaced it since.
        self._sleep = sleep or time.sleep
        self._dice = dice

    @property
    def dialect(self) -> str:
        """`postgresql`, `mysql` (which is MariaDB) or `sqlite`."""
        return self.engine.dialect.name

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session for reading. PostgreSQL and SQLite refuse writes in it; nothing in it is ever committed."""
        with self._guarded(), Session(self._reading) as session:
            yield session
            session.rollback()

    def run(self, fn: Callable[[Session], T]) -> T:
        """Run `fn` in one writing transaction and commit; all of it again, at most 5 times, if it has to give way.

        `fn` must leave nothing behind outside the database. Raises what `fn` or the database raised last.
        """
        begun = time.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._guarded(), self._alone(), Session(self.engine) as session, session.begin():
                    return fn(session)
            except (DBAPIError, RunAgain) as error:
                reason = self._reason(error)
                if reason is None or attempt == ATTEMPTS or self._is_out_of_patience(begun):
                    raise
                log.info("transaction_again", reason=reason, attempt=attempt)
                self._sleep(0.005 * 2**attempt * (0.5 + self._dice()))
        raise AssertionError("unreachable")

    def ping(self) -> None:
        """One round trip. Raises sqlalchemy.exc.DBAPIError when the database does not answer."""
        with self._guarded(), self._reading.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close the idle connections."""
        self.engine.dispose()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._breaker is None:
            yield
            return
        try:
            with self._breaker.calling(self._meaning):
                yield
        except Refused as refused:
            raise DatabaseUnavailable(retry_after=max(refused.wait, 1)) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """On SQLite one writer of this process after another. Raises RunAgain."""
        if self._writer is None:
            yield
            return
        if not self._writer.acquire(timeout=BUSY_SECONDS):
            raise RunAgain("busy")
        try:
            yield
        finally:
            self._writer.release()

    def _is_out_of_patience(self, begun: float) -> bool:
        return self._patience is not None and time.monotonic() - begun >= self._patience

    def _before_connect(self) -> None:
        # Those who waited in the pool's queue while others found out: they do not wait for a connection of their own.
        if self._breaker is not None and self._breaker.state is State.OPEN:
            raise DatabaseUnavailable(retry_after=max(self._breaker.wait, 1))

    def _meaning(self, error: Exception) -> Meaning:
        """Say whether the database was there: one that refuses a statement, or lets it wait for a lock, is."""
        if isinstance(error, (PoolTimeout, DatabaseUnavailable)):
            return Meaning.NOTHING
        away = isinstance(error, DBAPIError) and (error.connection_invalidated or self._is_away(error))
        return Meaning.FAILED if away else Meaning.ANSWERED

    def _is_away(self, error: DBAPIError) -> bool:
        if self.dialect == "postgresql":
            state = getattr(error.orig, "sqlstate", None)
            # A connection that did not come about has no state.
            return error.statement is None if state is None else state.startswith(_POSTGRES_AWAY)
        if self.dialect == "sqlite":
            return str(getattr(error.orig, "sqlite_errorname", "")).startswith(_SQLITE_AWAY)
        return _number(error) in _MARIADB_AWAY

    def _reason(self, error: DBAPIError | RunAgain) -> str | None:
        """Why the transaction should run again, or None if that would not help."""
        if isinstance(error, RunAgain):
            return str(error)
        if error.connection_invalidated:
            return "connection_lost"
        if self.dialect == "postgresql":
            return _POSTGRES_AGAIN.get(getattr(error.orig, "sqlstate", None) or "")
        if self.dialect == "sqlite":
            return _sqlite_reason(error)
        return _MARIADB_AGAIN.get(_number(error))


def _read_only(dialect: str) -> dict[str, Any]:
    # Rides on BEGIN, so it costs no round trip.
    return {"postgresql_readonly": True} if dialect == "postgresql" else {}


def _number(error: DBAPIError) -> int:
    """Return MariaDB's number of the error; 0 without one."""
    number = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return number if isinstance(number, int) else 0


def _sqlite_reason(error: DBAPIError) -> str | None:
    code = getattr(error.orig, "sqlite_errorname", "")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "busy"
    unique = code in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")
    return "unique_race" if isinstance(error, IntegrityError) and unique else None
