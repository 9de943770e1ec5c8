"""A user's name that the database itself refuses, as long as a block lasts: a cause that somebody can remove."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from shared.db import Database

NAME = "poison"
_WHEN = f"NEW.name = '{NAME}'"
_SIGNAL = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'"
_MAKE = {
    "sqlite": [
        f"CREATE TRIGGER poison BEFORE INSERT ON users WHEN {_WHEN} BEGIN SELECT RAISE(ABORT, 'refused'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''refused''; END'",
        f"CREATE TRIGGER poison BEFORE INSERT ON users FOR EACH ROW WHEN ({_WHEN}) EXECUTE FUNCTION poison()",
    ],
    "mysql": [
        f"CREATE TRIGGER poison BEFORE INSERT ON users FOR EACH ROW IF {_WHEN} THEN {_SIGNAL}; END IF",
    ],
}
_DROP = {
    "sqlite": ["DROP TRIGGER IF EXISTS poison"],
    "postgresql": ["DROP FUNCTION IF EXISTS poison CASCADE"],
    "mysql": ["DROP TRIGGER IF EXISTS poison"],
}


@contextmanager
def poisoned(database: Database) -> Iterator[None]:
    """Inside the block nobody called `poison` can be stored."""
    _execute(database, _DROP)
    _execute(database, _MAKE)
    try:
        yield
    finally:
        _execute(database, _DROP)


def _execute(database: Database, statements: dict[str, list[str]]) -> None:
    with database.engine.begin() as connection:
        for statement in statements[database.dialect]:
            connection.execute(text(statement))
