"""The users that docs/security.md gives api, worker and node in Redis: they can do what they need and no harm."""

import re
from pathlib import Path

import pytest
import redis

from shared.protocol import envelope
from shared.protocol.jobs import Deliver
from shared.queue import JobQueue
from shared.redis.client import connect
from shared.redis.journal import Journal, Submission
from shared.redis.tickets import Ticket, Tickets
from tests.fixtures.databases import MakeDatabase
from tests.fixtures.redis_server import RedisServer
from tests.integration.migrating import migrate
from tests.integration.workers.support import BOUNDS, Node, Stage, entry, now_ms
from workers.jobs import deliver

PAGE = Path(__file__).resolve().parents[3] / "docs" / "security.md"
PASSWORD = "of-this-test"  # of a server that lives for one test


def lines() -> dict[str, list[str]]:
    """The rules of each user, as the page has them."""
    block = re.search(r"```acl\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    split = [line.replace("{password}", PASSWORD).split() for line in block[1].splitlines()]
    return {words[1]: words[2:] for words in split}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    found = RedisServer(tmp_path_factory.mktemp("rights"))
    with redis.Redis.from_url(found.url) as admin:
        for user, rules in lines().items():
            if user != "default":  # which this test still needs, to look at what was refused
                admin.execute_command("ACL", "SETUSER", user, *rules)
    yield found
    found.stop()


def url_of(server: RedisServer, user: str) -> str:
    return f"redis://{user}:{PASSWORD}@127.0.0.1:{server.port}/0"


def test_the_rights_of_the_page_are_enough_for_a_notification(
    server: RedisServer, make_database: MakeDatabase, tmp_path: Path
) -> None:
    """What api, worker and node do with one, each by its own user; the server's list of refusals is empty."""
    database = make_database("sqlite")
    migrate(database)
    api, sent = connect(url_of(server, "api")), entry("ana")
    stage, queue = Stage(tmp_path, url_of(server, "worker"), database), JobQueue(url_of(server, "api"))
    node = Node(url_of(server, "node"), name="n7")
    ticket = Ticket("main", "ana", (), None, now_ms(), now_ms() + 30_000, None)
    try:
        Tickets(api).put("secret", ticket, 30)
        node.hold("ana")
        [accepted] = Journal(api).accept(
            [Submission([sent], [sent.encode()])], now_ms=now_ms(), bounds=BOUNDS
        )
        assert accepted.verdict == "stored"
        queue.enqueue(Deliver(ids=[sent.id]))
        JobQueue(url_of(server, "node")).enqueue(Deliver(ids=[sent.id]))
        deliver.run(stage.deps(), Deliver(ids=[sent.id]))
        assert node.of(envelope.Frames) or node.of(envelope.Synced) is not None
        assert stage.published([sent.id])
        assert Tickets(connect(url_of(server, "node"))).take("secret") == ticket
        with redis.Redis.from_url(server.url) as admin:
            assert admin.execute_command("ACL", "LOG") == []
    finally:
        for each in (stage, queue, node, api):
            each.close()


@pytest.mark.parametrize("user", ["api", "worker", "node"])
@pytest.mark.parametrize(
    "command",
    ["FLUSHALL", "CONFIG GET *", "KEYS *", "SAVE", "SHUTDOWN", "ACL LIST", "MONITOR"],
)
def test_nobody_of_them_can_harm_the_server(server: RedisServer, user: str, command: str) -> None:
    with (
        redis.Redis.from_url(url_of(server, user)) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command.split())


@pytest.mark.parametrize("command", ["LPUSH maintenance x", "GET refresh:x", "PUBLISH other x"])
def test_a_node_cannot_touch_what_is_none_of_its_business(server: RedisServer, command: str) -> None:
    with (
        redis.Redis.from_url(url_of(server, "node")) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command.split())
