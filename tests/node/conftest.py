"""npm `ws` and a node for it: the package from the lock beside this file, the node of the integration tests."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.npm import node_program
from tests.integration.wsnode.conftest import (
    backend,
    node,
    redis_of_module,
    shared_node,
    start_node,
    user,
)
from tests.node.driver import Driver, Page

__all__ = ["backend", "node", "redis_of_module", "shared_node", "start_node", "user"]


@pytest.fixture(scope="session")
def npm_ws() -> str:
    """The node program, both packages installed beside the tests."""
    return node_program()


@pytest.fixture(scope="module")
def driver(npm_ws: str) -> Iterator[Driver]:
    """One process of Node.js for all Socket.IO clients of a module."""
    driver = Driver(npm_ws)
    yield driver
    driver.stop()


@pytest.fixture
def page(driver: Driver, node) -> Iterator[Callable[..., Page]]:
    """Make clients; `port` is that of the module's node unless told. They are closed afterwards."""
    made: list[Page] = []

    def make(*, port: int | None = None, **options: Any) -> Page:
        found = Page(
            driver, f"page {len(made)} {uuid4().hex[:8]}", f"http://127.0.0.1:{port or node.port}", **options
        )
        made.append(found)
        return found

    yield make
    for one in made:
        one.close()
