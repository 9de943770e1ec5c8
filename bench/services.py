"""The servers below everything: one Redis (the embedded Valkey) and a database, made for a run and removed after it.

Bellhop, the naive baselines and the peers all use the same two, so that they differ in nothing but themselves.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
from psycopg import sql

from bench import machine
from bench.processes import BenchError, Child, poll_until, wait_for_port
from launcher import redis_server
from shared.protocol.jobs import Queue
from shared.redis import keys

BASE_PORT = int(os.environ.get("BENCH_PORT", "18600"))
REDIS_PORT = BASE_PORT
ADMIN_URL = os.environ.get("BENCH_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
"""A PostgreSQL where databases may be created."""


@dataclass(frozen=True, slots=True)
class Valkey:
    """The Redis of the run."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """For settings."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """A plain client for looking and cleaning."""
        return redis.Redis(port=self.port)


@contextmanager
def valkey(port: int = REDIS_PORT) -> Iterator[Valkey]:
    """The server that the launcher would start, with the launcher's settings, on the load core."""
    directory = Path(tempfile.mkdtemp(prefix="bellhop-bench-redis-"))
    command = redis_server.command(redis_server.find_binary(), port, directory)
    try:
        with Child(command, core=machine.LOAD_CORE) as server:
            wait_for_port(port)
            yield Valkey(port, server.pid)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Database:
    """The database of the run."""

    name: str
    plain_url: str

    @property
    def sqlalchemy_url(self) -> str:
        """For settings."""
        return self.plain_url.replace("postgresql://", "postgresql+psycopg://", 1)

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement; its rows, if it has any."""
        with psycopg.connect(self.plain_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def await_row(self, statement: str, seconds: float) -> None:
        """Run a statement over and over on one connection until it returns a row."""
        with psycopg.connect(self.plain_url, autocommit=True) as connection:
            poll_until(
                lambda: connection.execute(statement.encode()).fetchone() is not None,
                seconds,
                f"no row after {seconds:.0f} s: {statement}",
                every=0.005,
            )

    def pin(self) -> None:
        """Bind the server processes of our connections to the load core, where we may."""
        found = self.execute(f"SELECT pid FROM pg_stat_activity WHERE datname = '{self.name}'")
        for (pid,) in found:
            with suppress(OSError):
                machine.pin(int(str(pid)), {machine.LOAD_CORE})

    def now(self) -> str:
        """The server's clock, for `sessions_since`."""
        return str(self.execute("SELECT clock_timestamp()")[0][0])

    def sessions_since(self, moment: str) -> int:
        """How many sessions but our own have begun any statement since then.

        Not the transaction counters: a session reports those up to ten seconds late.
        """
        rows = self.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            f"AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND query_start > '{moment}'"
        )
        return int(str(rows[0][0]))


def required(database: Database | None) -> Database:
    """The database of a benchmark that makes no sense without PostgreSQL."""
    if database is None:
        raise BenchError("this benchmark needs PostgreSQL: set BENCH_POSTGRES")
    return database


def postgres_reachable() -> bool:
    """Whether there is a PostgreSQL to measure on."""
    try:
        psycopg.connect(ADMIN_URL, connect_timeout=3).close()
    except psycopg.Error:
        return False
    return True


@contextmanager
def postgres() -> Iterator[Database]:
    """An own database, dropped at the end."""
    name = f"bellhop_bench_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield Database(name, f"{ADMIN_URL.rpartition('/')[0]}/{name}")
    finally:
        with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def empty_queues(server: Valkey) -> None:
    """Forget accepted work that nobody shall do: the journal, our queues, the peers' queues."""
    names = [keys.JOURNAL, keys.JOURNAL_DUE, keys.JOURNAL_BYTES, keys.JOURNAL_TRIES, keys.JOURNAL_FAILURES]
    names += keys.JOURNAL_WAITING
    with server.client() as client:
        client.unlink(*names, *(str(queue) for queue in Queue), "celery", "unacked", "unacked_index")
        for peer in client.scan_iter("bull:*", count=1000):
            client.unlink(peer)
