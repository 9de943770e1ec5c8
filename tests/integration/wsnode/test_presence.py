"""Presence across two real nodes: per user and not per tab, silent about reconnects and deploys, true after a death."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bellhop_client import Bellhop

from shared.auth.tokens import issue
from shared.protocol.visit import Visit
from shared.redis.client import connect
from shared.redis.connection_log import ConnectionLog
from tests.fixtures.redis_server import RedisServer
from tests.integration.wsnode.backend import Backend
from tests.integration.wsnode.client import Client, wait_until
from tests.integration.wsnode.conftest import NodeProcess
from tests.integration.wsnode.sweeper import Sweeper

GRACE = 0.5
SETTINGS = {
    "presence_grace": str(GRACE),
    "lease_life": "1",
    "lease_refresh": "0.3",
    "watch_max": "3",
    "user_scopes": "messages:write",
    "drain_window": "0.2",
    "drain_retry": "0.5",
    "connection_log_address": "true",
}

ROUNDS = 30
"""Seconds in which a client has tried each of two addresses twice, on a machine that has much else to do."""


@pytest.fixture(scope="module")
def world(
    redis_of_module: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], NodeProcess]]:
    """Starts nodes on one Redis; the first two are shared."""
    nodes: list[NodeProcess] = []

    def start() -> NodeProcess:
        node = NodeProcess(tmp_path_factory.mktemp("node"), redis_of_module.url, **SETTINGS)
        node.start()
        nodes.append(node)
        return node

    yield start
    for node in nodes:
        node.stop()


@pytest.fixture(scope="module")
def nodes(world) -> tuple[NodeProcess, NodeProcess]:
    return world(), world()


@pytest.fixture
def sweeper(redis_of_module: RedisServer) -> Iterator[Sweeper]:
    sweeper = Sweeper(redis_of_module.url, grace=GRACE)
    yield sweeper
    sweeper.stop()


@pytest.fixture(autouse=True)
def _workers(backend: Backend, sweeper: Sweeper) -> None:
    """Both play the workers of every test here."""


def watcher(node: NodeProcess, *users: str, name: str = "watcher") -> tuple[Client, dict[str, bool]]:
    """A client that may see who is online, and what it was told of these users."""
    now = int(time.time() * 1000)
    token = issue(node.settings, user=name, app="main", ttl=600, now=now, scopes=["presence:read"])
    client = Client(node.port, token=token)
    client.online()
    return client, watch(client, *users)


def watch(client: Client, *users: str, ref: str = "w") -> dict[str, bool]:
    client.send(type="watch", users=list(users), ref=ref)
    reply = client.wait("reply", "error", where=lambda frame: frame["ref"] == ref)
    return {one["user"]: one["online"] for one in reply["result"]["users"]}


def heard(client: Client) -> tuple[str, bool]:
    """The next signal."""
    signal = client.wait("signal")
    assert signal["signal"] == "presence"
    assert signal["at"].endswith("Z")
    return signal["user"], signal["online"]


def online(node: NodeProcess, user: str) -> Client:
    client = node.connect(user)
    client.online()
    return client


def counts(sweeper: Sweeper, user: str) -> list[int]:
    return [number for _, number in sweeper.presence.read("main", [user])[0].nodes]


def test_one_user_on_two_nodes_comes_once_and_leaves_once(nodes, user):
    one, two = nodes
    seeing, state = watcher(two, user)
    assert state == {user: False}

    first, second = online(one, user), online(two, user)
    assert heard(seeing) == (user, True)
    first.socket.close()
    assert seeing.quiet(GRACE * 2), "the second tab keeps the user online"
    assert watch(seeing, user) == {user: True}
    second.socket.close()

    assert heard(seeing) == (user, False)
    seeing.socket.close()


def test_a_reconnect_to_another_node_within_the_grace_is_silent(nodes, user):
    one, two = nodes
    seeing, _ = watcher(one, user)
    first = online(one, user)
    assert heard(seeing) == (user, True)

    first.socket.close()
    again = online(two, user)

    assert seeing.quiet(GRACE * 3)
    again.socket.close()
    assert heard(seeing) == (user, False)


def test_connections_are_counted_per_node(nodes, sweeper, user):
    one, two = nodes
    tabs = [online(one, user), online(one, user), online(two, user)]
    wait_until(lambda: sorted(counts(sweeper, user)) == [1, 2])

    tabs[0].socket.close()
    wait_until(lambda: counts(sweeper, user) == [1, 1])
    for tab in tabs:
        tab.socket.close()
    wait_until(lambda: counts(sweeper, user) == [])


def test_users_of_a_killed_node_leave_after_lease_and_grace(world, nodes, user):
    doomed = world()
    seeing, _ = watcher(nodes[0], user, f"{user} 2")
    lost, moved = online(doomed, user), online(doomed, f"{user} 2")
    assert {heard(seeing), heard(seeing)} == {(user, True), (f"{user} 2", True)}

    doomed.child.kill()
    doomed.child.wait()
    doomed.child = None
    again = online(nodes[1], f"{user} 2")

    assert heard(seeing) == (user, False)
    assert seeing.quiet(GRACE * 2), "who came back within the grace was never away"
    for client in (lost, moved, again):
        client.socket.close()


def test_a_deploy_is_silent_for_clients_that_come_back(world, nodes, user):
    old = world()
    seeing, _ = watcher(nodes[0], user)
    client = online(old, user)
    assert heard(seeing) == (user, True)

    old.terminate()
    assert client.closed().code == 4012
    back = online(nodes[1], user)
    old.stop()

    assert seeing.quiet(GRACE * 3)
    back.socket.close()


def test_unwatch_ends_the_signals_and_a_watch_that_ended_is_taken_out_of_redis(nodes, sweeper, user):
    seeing, _ = watcher(nodes[0], user)
    other, _ = watcher(nodes[0], user, name="other watcher")
    key = f"watch:main:{user}"
    assert sweeper.client.scard(key) == 1

    seeing.send(type="unwatch", users=[user], ref=2)
    assert seeing.wait("reply")["result"] == {"watching": 0}
    tab = online(nodes[1], user)
    assert heard(other) == (user, True)
    assert seeing.quiet(0.3)
    other.socket.close()

    wait_until(lambda: not sweeper.client.exists(key))
    tab.socket.close()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"users": ["a", "b", "c", "d"]}, "too_many_requests"),
        ({"users": []}, "invalid_request"),
        ({"users": "ana"}, "invalid_request"),
        ({"users": [1]}, "invalid_request"),
        ({"users": [""]}, "invalid_request"),
        ({}, "invalid_request"),
        ({"conversation": "c1"}, "not_supported"),
    ],
)
def test_a_watch_that_cannot_be_is_refused(nodes, frame: dict[str, Any], code: str):
    seeing, _ = watcher(nodes[0], "somebody")

    seeing.send(type="watch", ref=7, **frame)

    error = seeing.wait("error")
    assert (error["ref"], error["code"]) == (7, code)
    seeing.socket.close()


def test_the_reference_client_watches_again_after_its_node_cut_it(world, nodes, user):
    """Whichever of the two the client is on, and however often it must knock: a node that is not ready, or not any
    more, sends it to the other, with pauses that grow to 4 s in two rounds."""
    pair = world(), world()
    now = int(time.time() * 1000)
    token = issue(pair[0].settings, user="seer", app="main", ttl=600, now=now, scopes=["presence:read"])
    told: list[dict[str, Any]] = []
    bell = Bellhop([f"ws://127.0.0.1:{node.port}/ws" for node in pair], token)
    bell.on("presence", told.append)
    with bell:
        wait_until(lambda: bell.status == "online", ROUNDS)
        assert bell.watch(user).result() == {"users": [{"user": user, "online": False}]}
        client = online(nodes[0], user)
        wait_until(lambda: [(one["user"], one["online"]) for one in told] == [(user, True)], ROUNDS)
        assert told[0]["at"].endswith("Z")

        here, there = sorted(pair, key=has_clients, reverse=True)
        here.stop()
        wait_until(lambda: has_clients(there) and bell.status == "online", ROUNDS)
        client.socket.close()

        wait_until(lambda: [one["online"] for one in told] == [True, False], ROUNDS)


def has_clients(node: NodeProcess) -> bool:
    return node.metric("bellhop_connections") > 0


def test_watching_needs_the_right(nodes, user):
    client = Client(nodes[0].port, token=nodes[0].token(user))
    client.online()

    client.send(type="watch", users=["ana"], ref=1)

    assert client.wait("error")["code"] == "forbidden"
    client.socket.close()


def test_openings_and_closes_reach_the_log(nodes, redis_of_module, user):
    log = ConnectionLog(connect(redis_of_module.url))
    client = online(nodes[0], user)

    def report() -> Visit | None:
        return next((one for one in log.take(10_000)[0] if one.user == user), None)

    wait_until(report)
    opened = report()
    assert (opened.sign_in, opened.dialect, opened.closed_at) == ("header", "native", None)
    assert opened.connection.startswith(f"{opened.node}.")
    client.raw(b"\x88\x82\x00\x00\x00\x00\x03\xe8")
    wait_until(lambda: report().closed_at)

    closed = report()
    assert (closed.connection, closed.code) == (opened.connection, 1000)
    assert closed.closed_at >= closed.opened_at
    assert abs(closed.opened_at - opened.opened_at) <= 5
    client.socket.close()
