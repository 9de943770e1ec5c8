"""What an error says about whose fault it is: the table that deliver and the shell of all jobs decide by."""

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.db import RunAgain
from shared.errors import Unavailable
from workers.isolation import Fault

TEXT_MAX = 500
# Lock time-outs, deadlocks and cancelled statements are about the others in the table, never about the values given.
_POSTGRESQL_WAITS = frozenset({"40001", "40P01", "55P03", "57014"})
_MARIADB_WAITS = frozenset({1205, 1213, 1020})
_SQLITE_WAITS = ("SQLITE_BUSY", "SQLITE_LOCKED")


def is_away(error: Exception) -> bool:
    """Whether the error alone says that the database, Redis or the broker does not answer."""
    if isinstance(error, DBAPIError):
        # Without a statement it is about the connection itself: it could not be opened, begun or committed.
        unreached = isinstance(error, OperationalError) and error.statement is None
        return error.connection_invalidated or unreached or isinstance(error, InterfaceError)
    # Unavailable covers RedisUnavailable and QueueUnavailable.
    return isinstance(error, Unavailable | PoolTimeout)


def timed_out(error: BaseException | None) -> bool:
    """Whether Celery's soft time limit is behind the error.

    It is raised wherever the job happens to be: in the middle of a query, the rollback that follows fails as well, and
    that second error is the one that arrives here, with the first as its context.
    """
    while error is not None:
        if isinstance(error, SoftTimeLimitExceeded):
            return True
        error = error.__cause__ or error.__context__
    return False


def judge(error: Exception, *, database_answers: bool) -> Fault:
    """Whose fault a failed transaction is.

    A driver says "data" or "integrity" only of the values that it was given. Its other errors (disk full, read only,
    a missing table, MariaDB's codes without a class) may be about anything.
    """
    if timed_out(error) or isinstance(error, RunAgain) or is_away(error) or _gave_way(error):
        return Fault.STOP
    if isinstance(error, DataError | IntegrityError):
        return Fault.MEMBER
    if isinstance(error, DBAPIError):
        return Fault.UNSURE if database_answers else Fault.STOP
    return Fault.MEMBER


def describe(error: Exception) -> str:
    """A short text for the row and the log: the driver's first line, without statement and parameters."""
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    line = next(iter(str(told).splitlines()), "")
    # What is said of a value may hold the very character that no database stores.
    clean = "".join(letter for letter in line if letter.isprintable())
    return f"{type(told).__name__}: {clean}"[:TEXT_MAX]


def _gave_way(error: Exception) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    number = next(iter(getattr(error.orig, "args", ())), None)
    return (
        getattr(error.orig, "sqlstate", None) in _POSTGRESQL_WAITS
        or number in _MARIADB_WAITS
        or str(getattr(error.orig, "sqlite_errorname", "")).startswith(_SQLITE_WAITS)
    )
