"""A stage for each test: PostgreSQL, the session's Redis emptied, no worker yet."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fixtures.databases import MakeDatabase
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
