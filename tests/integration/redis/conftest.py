"""One empty Redis database for each test of an adapter."""

from collections.abc import Iterator

import pytest
import redis

from shared.redis.client import connect
from tests.fixtures.redis_server import RedisServer


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client on an emptied database of the session's own server."""
    client = connect(redis_server.url)
    client.flushall()
    yield client
    client.close()
