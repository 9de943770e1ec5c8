"""What clients send over a socket, through a real node and a real worker, to the sockets of others."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.auth.tokens import issue
from shared.models import tables as t
from tests.fixtures.redis_server import RedisServer
from tests.integration.store.support import empty
from tests.integration.workers.support import Stage, eventually
from tests.integration.wsnode.client import Client, Closed
from tests.integration.wsnode.conftest import NodeProcess

SENDS = ["messages:write"]
FAILED = {"status": "error", "message": "Failed to process message"}


class System:
    """A node and a worker on PostgreSQL."""

    def __init__(self, stage: Stage, node: NodeProcess) -> None:
        self.stage, self.node = stage, node
        self.worker = stage.worker()

    def connect(self, user: str, *, path: str = "/ws", scopes: list[str] | None = None) -> Client:
        token = self.token(user, scopes)
        return Client(self.node.port, path=path, token=token)

    def token(self, user: str, scopes: list[str] | None = None) -> str:
        now, given = int(time.time() * 1000), SENDS if scopes is None else scopes
        return issue(self.node.settings, user=user, app="main", ttl=600, now=now, scopes=given)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, postgresql: str) -> Iterator[System]:
    folder: Path = tmp_path_factory.mktemp("sending")
    redis = RedisServer(folder)
    stage = Stage(folder, redis.url, postgresql)
    empty(stage.database)
    node = NodeProcess(folder, redis.url, drain_window="0.2", user_scopes="presence:read")
    node.start()
    yield System(stage, node)
    node.stop()
    stage.close()
    redis.stop()


def plain(client: Client) -> dict[str, Any]:
    """The next frame of a dialect without types."""
    return client.next()


def online(system: System, user: str, **options: Any) -> Client:
    """A classic client whose registration is known to be done: it has had something."""
    client = system.connect(user, path="/socket", **options)
    eventually(lambda: system.stage.client.hget(f"stream:main:{user}", "rev") is not None)
    return client


def test_what_one_user_sends_reaches_another_with_its_senders_name(system: System):
    with system.connect("ana") as ana, system.connect("bob") as bob:
        ana.online()
        bob.online()
        ana.send(type="send", ref=1, to={"users": ["bob"]}, event="chat", data={"text": "é"}, ttl=60)
        reply = ana.wait("reply")
        got = bob.wait("notification")
    assert reply == {"type": "reply", "ref": 1, "result": {"id": got["id"], "status": "accepted"}}
    assert (got["from"], got["event"], got["data"], got["stream"]) == ("ana", "chat", {"text": "é"}, "me")
    row = system.stage.notification(got["id"])
    assert row.sender == "user:ana"
    assert row.request_id.startswith(node_of(system))


def test_a_replay_from_the_database_says_the_same(system: System):
    with system.connect("ana") as ana, system.connect("carl") as carl:
        ana.online()
        carl.online()
        ana.send(type="message", ref="m", to="carl", body="hi")
        live = carl.wait("notification")
    system.stage.client.delete("tail:me:main:carl", "stream:main:carl")
    with system.connect("carl") as carl:
        again = carl.wait("notification")
    assert again == live
    assert (live["event"], live["data"], live["from"]) == ("message", {"message": "hi"}, "ana")


def test_rights_are_those_of_the_token(system: System):
    with system.connect("ana", scopes=[]) as ana:
        ana.online()
        ana.send(type="send", ref=1, to={"users": ["bob"]}, event="chat")
        assert ana.wait("error")["code"] == "forbidden"
    with system.connect("ana") as ana:
        ana.online()
        for ref, to in enumerate([{"topics": ["news"]}, {"everyone": True}]):
            ana.send(type="send", ref=ref, to=to, event="chat")
            assert ana.wait("error") | {"message": ""} == {
                "type": "error",
                "ref": ref,
                "code": "forbidden",
                "message": "",
                "retryable": False,
            }


def test_a_repetition_with_its_key_is_sent_once(system: System):
    frame = {"type": "send", "to": {"users": ["eva"]}, "event": "chat", "key": "order 1"}
    ids = set()
    for ref in (1, 2):
        with system.connect("ana") as ana:
            ana.online()
            ana.send(**frame, ref=ref)
            ids.add(ana.wait("reply")["result"]["id"])
    with system.connect("ana") as ana:
        ana.online()
        ana.send(**(frame | {"event": "other"}), ref=3)
        assert ana.wait("error")["code"] == "idempotency_mismatch"
    assert len(ids) == 1


def test_a_classic_message_is_stored_published_and_then_answered(system: System):
    with online(system, "fred") as fred, online(system, "gina") as gina, system.connect("gina") as native:
        native.online()
        fred.send(type="message", to="gina", content="hi", token=system.token("fred"), extra=1)
        answer = plain(fred)
        got = plain(gina)
        frame = native.wait("notification")
        assert answer == {"status": "sent", "id": frame["id"]}
        data = {"message": "hi", "content": "hi", "id": frame["id"], "from": "fred"}
        assert got == {"type": "NOTIFICATION", "data": data}
        assert fred.quiet(0.2)


@pytest.mark.parametrize(
    "message",
    [
        {"to": None, "content": "hi"},
        {"content": "hi"},
        {"to": "bob"},
        {"to": "bob", "content": 5},
        {"conversation": "c", "content": "hi"},
        {"to": "bob", "conversation": "c", "content": "hi"},
        {"to": "bob", "content": "hi", "token": "nonsense"},
    ],
)
def test_a_classic_message_that_cannot_be_sent_is_told_so(system: System, message: dict[str, Any]):
    with online(system, "hans") as hans:
        hans.send(type="message", **message)
        assert plain(hans) == FAILED


def test_a_missed_notification_comes_once_and_not_on_every_return(system: System):
    with online(system, "ida"):
        pass
    eventually(lambda: system.stage.client.hget(f"online:{node_of(system)}", "main ida") is None)
    with system.connect("ana") as ana:
        ana.online()
        ana.send(type="send", ref=1, to={"users": ["ida"]}, event="chat", data={"message": "missed"})
        ana.wait("reply")
    with online(system, "ida") as ida:
        assert plain(ida)["data"]["message"] == "missed"
    eventually(lambda: system.stage.rows(t.streams) and acked(system, "ida") == 1)
    with online(system, "ida") as ida:
        assert ida.quiet(0.5)


def test_a_classic_client_is_closed_in_the_same_ways(system: System):
    client = Client(system.node.port, path="/socket")
    client.send(type="auth", token="nonsense")
    with pytest.raises(Closed) as closed:
        client.next()
    assert closed.value.code == 4001


def test_the_larger_right_reaches_everyone(system: System):
    """The last one here: whoever connects from now on gets this too."""
    with system.connect("chief", scopes=["notifications:write"]) as chief, system.connect("dora") as dora:
        chief.online()
        dora.online()
        chief.send(type="send", ref=1, to={"everyone": True}, event="news")
        chief.wait("reply")
        assert dora.wait("notification", where=lambda f: f["stream"] == "all")["from"] == "chief"


def node_of(system: System) -> str:
    """The id of the one node."""
    [name] = [
        key.decode().removeprefix("lease:")
        for key in system.stage.client.keys("lease:*")
        if key != b"lease:n1"
    ]
    return name


def acked(system: System, user: str) -> int:
    """How far the database knows a user to have confirmed."""
    with system.stage.database.session() as session:
        found = session.execute(
            t.streams.select()
            .join(t.users, t.users.c.id == t.streams.c.user_id)
            .where(t.users.c.name == user)
        ).one_or_none()
    return 0 if found is None else int(found.acked)
