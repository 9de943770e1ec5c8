"""Drill D25: every operation of the table, asked by everybody who has no business there; and a control with holes."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from api.routes import DEVELOPMENT, TABLE
from api.routing import Operation
from tests.fixtures.databases import MakeDatabase
from tests.fixtures.redis_server import RedisServer
from tests.integration.api.support import Api
from tests.integration.api.walls import FOREIGN, WORDS, Planted, attack
from tests.integration.migrating import migrate

# First come those that look for a thing of main's: what others let a foreigner have of the same name would be found.
ALL = sorted(TABLE + DEVELOPMENT, key=lambda each: "{" not in each.path or (each.method, each.path) in WORDS)
SETTINGS = {"BELLHOP_JWT_APPS": f"main,{FOREIGN}", "BELLHOP_DEV_SIGN_IN": "true"}


def name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def planted(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    make_database: MakeDatabase,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Planted]:
    url = make_database(request.param)
    migrate(url)
    redis_url = redis_server.url.rpartition("/")[0] + "/6"
    with closing(redis.Redis.from_url(redis_url)) as client:
        client.flushdb()
    with Api(tmp_path_factory.mktemp("wall"), redis_url, url, SETTINGS) as api:
        yield Planted(api)


@pytest.mark.parametrize("operation", ALL, ids=name)
def test_nobody_sees_or_changes_what_is_another_apps(planted: Planted, operation: Operation) -> None:
    assert attack(planted, operation) == []
    before = planted.before
    after = planted.state()
    assert {path: after[path] for path in before if before[path] != after[path]} == {}


def test_a_hole_in_the_wall_is_found(redis_server, make_database, tmp_path) -> None:
    """The control: an api that does not look at the app in two places fails there, and nowhere else."""
    url = make_database("sqlite")
    migrate(url)
    redis_url = redis_server.url.rpartition("/")[0] + "/9"
    with Api(tmp_path, redis_url, url, SETTINGS, "tests.integration.api.leaky_app:app") as leaky:
        planted = Planted(leaky)
        asked = [each for each in ALL if each.method in ("GET", "DELETE")]
        assert {name(each) for each in asked if attack(planted, each)} == {
            "GET /v1/users/{user:user}",
            "DELETE /v1/caps/{id}",
        }
        assert planted.state() != planted.before
