"""One api a module on SQLite and the session's Redis; tests that break something start their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fixtures.databases import MakeDatabase
from tests.fixtures.redis_server import RedisServer
from tests.integration.api.support import SECRETS, Api
from tests.integration.migrating import migrate

MakeApi = Callable[..., Api]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    make_database: MakeDatabase,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Api]:
    """A running api; Redis holds nothing of an earlier module."""
    url = make_database(request.param)
    migrate(url)
    # A Redis database of its own, since other modules empty the first one.
    redis_url = redis_server.url.rpartition("/")[0] + "/7"
    with Api(tmp_path_factory.mktemp("api"), redis_url, url) as running:
        yield running


@pytest.fixture(scope="module")
def auth_api(
    redis_server: RedisServer, make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """An api for signing in: two signing keys, and no limit by name where a test does not want one."""
    url = make_database("postgresql")
    migrate(url)
    redis_url = redis_server.url.rpartition("/")[0] + "/9"
    environ = {"BELLHOP_LIMIT_NAME": "1000/1m", "BELLHOP_JWT_SECRETS": f"k2:{'t' * 40},{SECRETS}"}
    with Api(tmp_path_factory.mktemp("auth"), redis_url, url, environ) as running:
        yield running


@pytest.fixture
def start_api(tmp_path: Path, make_database: MakeDatabase) -> Iterator[MakeApi]:
    """`start_api(redis_url, database_url=None, **settings)` starts one that may be broken."""
    with ExitStack() as stack:

        def start(redis_url: str, database_url: str | None = None, **settings: str) -> Api:
            if database_url is None:
                database_url = make_database("sqlite")
                migrate(database_url)
            return stack.enter_context(Api(tmp_path, redis_url, database_url, settings))

        yield start
