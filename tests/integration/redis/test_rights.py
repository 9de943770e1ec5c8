"""The users that deploy/redis_users.acl makes in Redis: what none of them can do, and that no command is forgotten.

That it is enough for whole processes is shown by tests/e2e/test_redis_users.py.
"""

import ast
import re
from collections.abc import Iterator

import pytest
import redis

from shared.protocol.jobs import Queue
from tests.architecture.sources import ROOT
from tests.fixtures.guarded_redis import USER_OF, GuardedRedis, rights

USERS = sorted(set(USER_OF.values()))
METHODS = {"delete": "del", "script_load": "script|load", "scan_iter": "scan", "pipeline": "multi"}
"""Methods of redis-py that are not named after their command."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRedis]:
    found = GuardedRedis(tmp_path_factory.mktemp("rights"))
    yield found
    found.stop()


def refused(server: GuardedRedis, user: str, *words: str) -> bool:
    with redis.Redis.from_url(server.url(user)) as client:
        try:
            client.execute_command(*words)
        except redis.exceptions.NoPermissionError:
            return True
        except redis.exceptions.ResponseError as error:
            # From within a script the refusal is told as an error of the script.
            return "permission" in str(error)
    return False


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    "command",
    ["FLUSHALL", "FLUSHDB", "CONFIG GET *", "KEYS *", "SAVE", "SHUTDOWN", "ACL LIST", "MONITOR",
     "CLIENT LIST", "CLIENT KILL TYPE normal", "SCRIPT FLUSH", "FUNCTION LIST", "RANDOMKEY", "SWAPDB 0 1",
     "GET of-somebody-else", "SET of-somebody-else x"],
)  # fmt: skip
def test_nobody_of_them_can_harm_the_server(server: GuardedRedis, user: str, command: str) -> None:
    assert refused(server, user, *command.split())


BEYOND = {
    "api": ["GETDEL ticket:x", "GET ticket:x", "BRPOP normal 1", "LPUSH maintenance x", "LPUSH receipts x",
            "HSET online:n x 1", "HSET acks x 1", "PUBLISH /0.celery.pidbox x", "SUBSCRIBE node:n", "SCAN 0"],
    "worker": ["GET refresh:x", "SET refresh:x x", "GETDEL ticket:x", "SET ticket:x x", "PUBLISH other x"],
    "node": ["GET refresh:x", "SET ticket:x x", "GET ticket:x", "HGET journal x", "HGETALL journal:dead",
             "DEL revoked:user:main:ana", "SET revoked:user:main:ana 1", "SREM disabled:main ana",
             "ZADD tail:me:main:ana 1 x", "HSET app:main top 9", "BRPOP normal 1", "RPOP replay", "LPUSH maintenance x",
             "PUBLISH other x", "PUBLISH /0.celery.pidbox x", "PSUBSCRIBE *", "SCAN 0"],
    "beat": ["LPUSH normal x", "LPUSH critical x", "BRPOP maintenance 1", "HGET journal x", "PUBLISH node:n x",
             "SCAN 0"],
    "flower": ["HGET journal x", "HGET stream:main:ana top", "GET ticket:x", "GET refresh:x", "BRPOP normal 1",
               "PUBLISH node:n x", "SUBSCRIBE node:n", "SCAN 0"],
}  # fmt: skip
"""What is none of their business, of each user."""


@pytest.mark.parametrize(("user", "command"), [(user, each) for user in BEYOND for each in BEYOND[user]])
def test_none_of_them_can_touch_what_is_not_its_business(
    server: GuardedRedis, user: str, command: str
) -> None:
    assert refused(server, user, *command.split())


def test_a_script_is_no_way_around(server: GuardedRedis) -> None:
    for call in ("'GET', 'refresh:x'", "'SREM', 'disabled:main', 'ana'", "'LPUSH', 'maintenance', 'x'"):
        assert refused(server, "node", "EVAL", f"return redis.call({call})", "1", "ticket:x")
    assert not refused(server, "node", "EVAL", "return redis.call('EXISTS', 'revoked:user:main:ana')", "0")


def test_nobody_gets_in_without_a_name(server: GuardedRedis) -> None:
    with (
        redis.Redis(port=server.port) as nobody,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        nobody.ping()


@pytest.mark.parametrize("user", ["node", "api", "worker"])
def test_they_can_do_what_they_need(server: GuardedRedis, user: str) -> None:
    """The control of the refusals above: it is not everything that is refused."""
    assert not refused(server, user, "SET", "readiness", "x")
    assert not refused(server, user, "PUBLISH", "node:n", "x")
    assert not refused(server, user, "LPUSH", "normal", "x")


@pytest.mark.parametrize("user", ["worker", "flower"])
def test_every_consumer_can_give_back_what_a_dead_worker_held(server: GuardedRedis, user: str) -> None:
    """kombu has each of its consumers look for that, Flower too; refused, one of them would stop consuming."""
    for command in (
        "SET unacked_mutex x NX", "WATCH unacked", "UNWATCH", "HGET unacked t", "HDEL unacked t",
        "ZREM unacked_index t", "ZRANGE unacked_index 9 0 BYSCORE REV LIMIT 0 10 WITHSCORES",
        "SMEMBERS _kombu.binding.normal",
        *(f"{push} {queue} x" for push in ("LPUSH", "RPUSH") for queue in (*Queue, f"{Queue.BULK}\x06\x163")),
        "DEL unacked_mutex",
    ):  # fmt: skip
        assert not refused(server, user, *command.split(" ")), command


def commands_of_scripts() -> set[str]:
    """What is called in lua/ by name; the one place that calls by a variable has its commands from Python."""
    text = "".join(file.read_text() for file in (ROOT / "shared" / "redis" / "lua").glob("*.lua"))
    return {name.lower() for name in re.findall(r"redis\.p?call\(\s*['\"](\w+)", text)}


def commands_of_adapters() -> set[str]:
    """The methods of redis-py's clients and pipelines that the modules of shared/redis call."""
    found = set()
    for file in (ROOT / "shared" / "redis").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value).rpartition(".")[2].lstrip("_")
                if owner in ("client", "pipeline") and node.func.attr != "execute":
                    found.add(METHODS.get(node.func.attr, node.func.attr))
    return found


def test_no_command_of_ours_is_forgotten() -> None:
    """A worker, which does nearly everything, may call every one of them."""
    used = commands_of_scripts() | commands_of_adapters()
    assert {"zadd", "publish", "hmget", "getdel", "evalsha", "multi"} <= used
    [worker] = [line for line in rights() if line.startswith("user worker ")]
    assert used - set(re.findall(r" \+(\S+)", worker)) == set()
