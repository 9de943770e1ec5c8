"""Engines: how a connection to each kind of database is made, tried after a rest, and given up."""

import time
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import InvalidatePoolError

from shared.db.postgres import PatientConnection

BUSY_SECONDS: Final = 10
"""How long a transaction waits for another one's lock."""
REST_SECONDS: Final = 1.0
"""A connection that rested longer is pinged before it is used."""
CONNECT_SECONDS: Final = 3
"""How long a connection may take to come about, and the answer to a ping."""
PATIENCE_SECONDS: Final = 15
"""How long the api waits for one answer. Longer than for a lock, so that a lock is told as what it is."""
STATEMENT_SECONDS: Final = 13
"""After so long the server itself ends a statement of the api's: nobody will wait for what comes of it."""
FORGET_SECONDS: Final = 60
"""After so long a server gives up a transaction of whom nothing is heard, with its locks. No job takes as long."""

_POSTGRES_OPTIONS: Final = (
    # Statements are prepared while tables may be empty; a plan kept from then would read a grown table from end to end.
    "-c plan_cache_mode=force_custom_plan",
    # Compiling pays for itself after 100 ms of query; none here takes as long.
    "-c jit=off",
    f"-c lock_timeout={BUSY_SECONDS * 1000}",
    f"-c idle_in_transaction_session_timeout={FORGET_SECONDS * 1000}",
)
# A server that vanished without a word is noticed in about 15 s, before the soft limit of a job (40 s).
_POSTGRES_NETWORK: Final = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_MARIADB_INIT: Final = (
    "SET SESSION sql_mode='STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',"
    f" innodb_lock_wait_timeout={BUSY_SECONDS}"
)


def make_engine(url: URL, pool_size: int, *, patience: float | None, gate: Callable[[], None]) -> Engine:
    """`patience`: seconds that one answer may take; without it a server that says nothing is waited for without end.

    `gate` is called before each new connection, and by raising keeps it from being tried. Raises ValueError for a
    database that is none of ours.
    """
    engine = _engine(url, {"pool_size": pool_size, "max_overflow": 2 * pool_size}, patience)

    def connect(dialect: Any, _: Any, args: Any, kwargs: Any) -> Any:
        gate()
        if patience is None or dialect.name == "sqlite":
            return None  # SQLAlchemy connects
        if dialect.name == "postgresql":
            connection: Any = PatientConnection.connect(*args, **kwargs)
        else:
            connection = dialect.loaded_dbapi.connect(*args, **kwargs)
        _give(connection, patience)
        return connection

    event.listen(engine, "do_connect", connect)
    return engine


def _engine(url: URL, options: dict[str, Any], patience: float | None) -> Engine:
    match url.get_backend_name():
        case "postgresql":
            return _ping_when_idle(_postgres(url, options, patience), patience)
        case "mysql" | "mariadb":
            return _ping_when_idle(_mariadb(url, options, patience), patience)
        case "sqlite":
            engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **options)
            event.listen(engine, "connect", _sqlite_connect)
            event.listen(engine, "begin", _sqlite_begin)
            return engine
        case other:
            raise ValueError(f"no support for the database {other!r}")


def _postgres(url: URL, options: dict[str, Any], patience: float | None) -> Engine:
    hurry = () if patience is None else (f"-c statement_timeout={STATEMENT_SECONDS * 1000}",)
    arguments = {
        "options": " ".join((*_POSTGRES_OPTIONS, *hurry)),
        "application_name": "bellhop",
        **_POSTGRES_NETWORK,
    }
    return create_engine(url, isolation_level="READ COMMITTED", connect_args=arguments, **options)


def _mariadb(url: URL, options: dict[str, Any], patience: float | None) -> Engine:
    arguments = {"charset": "utf8mb4", "init_command": _MARIADB_INIT, "connect_timeout": CONNECT_SECONDS}
    if patience is not None:
        arguments["init_command"] = f"{_MARIADB_INIT}, max_statement_time={STATEMENT_SECONDS}"
        # The driver's `connect_timeout` ends with the connection; what follows until somebody is let in has this one.
        arguments["read_timeout"] = CONNECT_SECONDS
    return create_engine(url, isolation_level="READ COMMITTED", connect_args=arguments, **options)


def _give(connection: Any, patience: float) -> None:
    """Let each further answer of this connection take so many seconds."""
    if isinstance(connection, PatientConnection):
        connection.patience = patience
    else:
        # PyMySQL asks for it before each answer, and has no other way to change it.
        connection._read_timeout = patience  # noqa: SLF001


def _ping_when_idle(engine: Engine, patience: float | None) -> Engine:
    """Ping a connection that rested for a while before it is used: a restarted server costs nobody an error.

    `pool_pre_ping` would ping each time: two round trips for each group that a worker stores.
    """

    def checkin(_: Any, record: Any) -> None:
        record.info["rested_since"] = time.monotonic()

    def checkout(connection: Any, record: Any, _: Any) -> None:
        if time.monotonic() - record.info.get("rested_since", time.monotonic()) < REST_SECONDS:
            return
        if patience is not None:
            _give(connection, CONNECT_SECONDS)
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            # Nor did those that rested beside it: who comes next shall not try them one by one.
            raise InvalidatePoolError("the connection did not survive its rest") from error
        if patience is not None:
            _give(connection, patience)

    event.listen(engine, "checkin", checkin)
    event.listen(engine, "checkout", checkout)
    return engine


def _sqlite_connect(connection: Any, _: Any) -> None:
    # The driver's own idea of when to begin would come after our first read; see _sqlite_begin.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("bellhop_reading", False)
    # A transaction that reads first and writes later cannot wait for its lock on SQLite, it fails; so writers take it
    # at once, and readers may not turn into writers.
    connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reading else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
