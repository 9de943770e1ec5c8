"""A running api on a database of its own, for each page whose examples are run."""

from collections.abc import Iterator

import pytest
import redis

from tests.contract.examples import Reader, settings_of
from tests.fixtures.databases import MakeDatabase
from tests.fixtures.redis_server import RedisServer
from tests.integration.api.support import Api
from tests.integration.migrating import migrate


@pytest.fixture
def reader(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    make_database: MakeDatabase,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Reader]:
    """A caller that follows one page; nothing is there of an earlier one."""
    page = request.node.callspec.params.get("page") if hasattr(request.node, "callspec") else None
    url = make_database("sqlite")
    migrate(url)
    redis_url = redis_server.url.rpartition("/")[0] + "/8"
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    environ = settings_of(page) if page else {}
    with Api(tmp_path_factory.mktemp("examples"), redis_url, url, environ) as api:
        yield Reader(api)
