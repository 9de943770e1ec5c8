"""A stage for each test: PostgreSQL, the session's Redis emptied, no worker yet."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.fixtures.databases import POSTGRESQL, MakeDatabase
from tests.integration.migrating import migrate
from tests.integration.store.support import empty
from tests.integration.workers.support import Stage

MakeStage = Callable[..., Stage]


@pytest.fixture(scope="module")
def postgresql(make_database: MakeDatabase) -> str:
    """A migrated database on PostgreSQL for all tests of a module."""
    url = make_database("postgresql")
    migrate(url)
    return url


@pytest.fixture(scope="module")
def sqlite(make_database: MakeDatabase) -> str:
    """A migrated SQLite file for all tests of a module."""
    url = make_database("sqlite")
    migrate(url)
    return url


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[MakeStage]:
    """`make_stage(redis_url, database_url, **settings)`; closed with its workers at the end of the test."""
    with ExitStack() as stack:

        def make(redis_url: str, database_url: str, **settings: str) -> Stage:
            stage = Stage(tmp_path, redis_url, database_url, **settings)
            stack.callback(stage.close)
            empty(stage.database)
            return stage

        yield make


@pytest.fixture
def stage(make_stage: MakeStage, redis_url: str, postgresql: str) -> Stage:
    """On PostgreSQL, with the session's Redis."""
    return make_stage(redis_url, postgresql)


@pytest.fixture
def outage(postgresql: str) -> Iterator[Callable[..., None]]:
    """Call it with True to make the database refuse everybody, with False to let them in again."""
    name = make_url(postgresql).database
    address = POSTGRESQL.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as admin:

        def switch(*, away: bool) -> None:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {str(not away).lower()}'.encode())
            if away:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
                )

        yield switch
        switch(away=False)
