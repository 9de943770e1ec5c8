"""The real thing: the Procfile's processes on ports of their own, on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import pytest

from launcher.system import Ports, System
from tests.e2e.http import Http
from tests.fixtures.databases import MakeDatabase


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def bellhop(
    request: pytest.FixtureRequest, make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """One running Bellhop per module and database: api, two nodes, two workers, beat, Flower, Redis."""
    env = {"BELLHOP_LOG_FORMAT": "json"}
    if request.param != "sqlite":
        env["DATABASE_URL"] = make_database(request.param)
    with System(tmp_path_factory.mktemp("bellhop"), ports=Ports.free(), env=env) as system:
        yield system


@pytest.fixture
def http(bellhop: System) -> Http:
    """A backend with the development API key."""
    return Http(bellhop.url("api"), bellhop.api_key)
