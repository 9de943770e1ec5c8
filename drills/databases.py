"""A database of the drill's own: a name on a PostgreSQL server that is there, or a whole server to be killed.

TEST_POSTGRESQL_URL says where the shared server is, as for the tests.
"""

import contextlib
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from bench.machine import descendants
from launcher.ports import free_port
from launcher.waiting import wait_for

SHARED = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
START_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Unavailable(Exception):
    """This machine lacks what the drill needs; the message says what."""


@contextmanager
def own_database() -> Iterator[str]:
    """The URL of a new database on the shared server, dropped afterwards."""
    server = make_url(os.environ.get("TEST_POSTGRESQL_URL", SHARED))
    name = f"bellhop_drill_{os.getpid()}_{secrets.token_hex(4)}"
    address = server.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        _execute(address, f"CREATE DATABASE {name}")
    except psycopg.OperationalError as error:
        raise Unavailable(f"no PostgreSQL: {str(error).splitlines()[0]}") from error
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(address, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def transactions(url: str) -> int:
    """How many transactions a database has seen, as the server counts them."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        found = connection.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    return int(found[0]) if found else 0


def end_connections(url: str) -> None:
    """Cut every connection to a database but our own."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@contextmanager
def stalled(url: str) -> Iterator[Callable[[], set[int]]]:
    """Let no transaction of a database insert a delivery meanwhile; tells which of its processes wait to do so."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as holder, psycopg.connect(address, autocommit=True) as looker:
        holder.execute("LOCK TABLE deliveries IN SHARE ROW EXCLUSIVE MODE")

        def waiting() -> set[int]:
            asked = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'deliveries'::regclass"
            return {pid for (pid,) in looker.execute(asked)}

        yield waiting
        holder.rollback()


class PostgresServer:
    """A PostgreSQL of the drill's own, to be killed and started at will."""

    def __init__(self, folder: Path) -> None:
        self._bin = _programs()
        self._folder = folder / "postgresql"
        self._log = folder / "postgresql.log"
        self.port = free_port()
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None
        self._folder.mkdir(parents=True)
        self._log.touch()
        for path in (self._folder, self._log, *_private_parents(folder)):
            _give_away(path)
        subprocess.run(  # noqa: S603  # ours
            [self._bin / "initdb", "-D", self._folder, "-U", "postgres", "-A", "trust", "-N"],
            check=True,
            stdout=subprocess.DEVNULL,
            **_as_nobody(),
        )
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers; after a kill it first goes through its log."""
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "shared_buffers": "64MB"}
        words = [word for pair in options.items() for word in ("-c", "=".join(pair))]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # ours
                [self._bin / "postgres", "-D", self._folder, "-p", str(self.port), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_us,  # noqa: PLW1509  # one C call
                **_as_nobody(),
            )
        if not wait_for(self.answers, seconds=START_SECONDS, interval=0.05):
            raise Unavailable(f"PostgreSQL does not start: {self._log.read_text()[-500:]}")

    def answers(self) -> bool:
        """Whether it takes statements."""
        try:
            with psycopg.connect(f"postgresql://postgres@127.0.0.1:{self.port}/postgres", connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def kill(self) -> None:
        """`kill -9` the server and every process it made (each is a session of its own)."""
        if self._process is None:
            return
        for pid in descendants(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(15)
            self.kill()


def _execute(address: str, statement: str) -> None:
    with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
        connection.execute(statement.encode())


def _die_with_us() -> None:
    """Runs in the child: the server ends when the thread that started it does, however that happens."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _programs() -> Path:
    """The folder of the server's programs; Debian keeps them off PATH."""
    found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)]
    on_path = shutil.which("postgres")
    if not found and on_path is None:
        raise Unavailable("no PostgreSQL server programs (initdb, postgres) on this machine")
    return found[0] if found else Path(str(on_path)).parent


def _as_nobody() -> dict[str, Any]:
    """The server refuses to run as root: then it runs as the user `postgres`."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _give_away(path: Path) -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        if path.is_dir() and path.name != "postgresql":
            path.chmod(path.stat().st_mode | 0o011)
        else:
            os.chown(path, user.pw_uid, user.pw_gid)


def _private_parents(folder: Path) -> Iterator[Path]:
    """Folders above that only we may enter, as temporary ones are."""
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.geteuid() and not path.stat().st_mode & 0o001:
            yield path
