"""One migrated database on each of the three servers, emptied before every test."""

from collections.abc import Iterator

import pytest

from shared.db import Database
from tests.fixtures.databases import DIALECTS, MakeDatabase
from tests.integration.migrating import migrate
from tests.integration.store.support import empty


@pytest.fixture(scope="session", params=DIALECTS)
def migrated(request: pytest.FixtureRequest, make_database: MakeDatabase) -> Iterator[Database]:
    url = make_database(request.param)
    migrate(url)
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def db(migrated: Database) -> Database:
    empty(migrated)
    return migrated
