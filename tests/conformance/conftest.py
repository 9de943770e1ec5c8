"""One real node for the whole set, and raw clients that have signed in."""

from collections.abc import Iterator

import pytest

from tests.fixtures.redis_server import RedisServer
from tests.integration.wsnode.backend import Backend
from tests.integration.wsnode.client import Client
from tests.integration.wsnode.conftest import NodeProcess, start_node

__all__ = ["start_node"]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server for this set alone: its node lives as long as the session, and others would publish to it."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def conforming_node(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer
) -> Iterator[NodeProcess]:
    """Short deadlines, few pings, and a proxy of this machine that is trusted."""
    node = NodeProcess(
        tmp_path_factory.mktemp("node"),
        redis_server.url,
        auth_deadline="1",
        handshake_deadline="1",
        message_deadline="1",
        drain_window="0.2",
        trusted_proxies="127.0.0.1,unix",
        connections_per_user="3",
        connections_per_address="3",
        unauthenticated_max="5",
        handshake_rate_address="4",
        origins="https://app.example",
    )
    node.start()
    yield node
    node.stop()


@pytest.fixture
def node(conforming_node: NodeProcess) -> NodeProcess:
    return conforming_node


@pytest.fixture(scope="module")
def backend(redis_server: RedisServer) -> Iterator[Backend]:
    backend = Backend(redis_server.url)
    # Not the node's lease: without it the node would refuse connections until its users are registered again.
    old = [key for key in backend.client.scan_iter() if not key.startswith((b"lease:", b"nodes"))]
    if old:
        backend.client.delete(*old)
    backend.start()
    yield backend
    backend.stop()


@pytest.fixture
def client(node: NodeProcess, backend: Backend) -> Iterator[Client]:
    """A raw connection that has signed in and follows."""
    with node.connect("conforming") as client:
        client.online()
        yield client
