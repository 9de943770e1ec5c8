"""What gets lost between Redis and the node is found and fetched: cuts, losses, a restart, a new epoch."""

import pytest

from shared.redis.leases import Leases
from tests.integration.wsnode.backend import Backend
from tests.integration.wsnode.client import Client, wait_until
from tests.integration.wsnode.conftest import NodeProcess
from tests.integration.wsnode.proxy import Proxy

ATTENTIVE = {
    "lease_refresh": "0.2",
    "probe_interval": "0.2",
    "position_interval": "0.5",
    "drain_window": "0",
}
"""A node that looks at its positions twice a second and at its lease five times."""


@pytest.fixture(scope="module")
def attentive_node(tmp_path_factory, redis_of_module):
    node = NodeProcess(tmp_path_factory.mktemp("node"), redis_of_module.url, **ATTENTIVE)
    node.start()
    yield node
    node.stop()


@pytest.fixture
def node(attentive_node):
    return attentive_node


@pytest.fixture
def users(user):
    return [f"{user} {number}" for number in range(30)]


@pytest.fixture
def clients(node, backend, users):
    """One connection for each user, in step."""
    yield from connected(node, users)


def connected(node, users):
    found = [node.connect(user) for user in users]
    for client in found:
        client.online()
    yield found
    for client in found:
        client.socket.close()


def node_id(backend, user):
    return backend.client.hget(f"stream:main:{user}", "nodes").decode()


class Own:
    """A Redis, a node, a backend and connections that a test may treat as it likes."""

    def __init__(self, redis, start_node, url=None):
        self.redis = redis
        self.backend = Backend(redis.url)
        self.backend.start()
        self.node = start_node(url or redis.url, **ATTENTIVE)
        self.users = [f"u{number}" for number in range(30)]
        self.clients = next(connected(self.node, self.users))


@pytest.fixture
def own(own_redis, start_node):
    own = Own(own_redis, start_node)
    yield own
    own.backend.stop()


def seqs(client: Client, count: int, stream: str = "me") -> list[int]:
    return [client.wait("notification", where=lambda f: f["stream"] == stream)["seq"] for _ in range(count)]


def test_a_frame_that_was_never_sent_is_found_by_the_position_check(node, backend, clients, users):
    key, name = f"stream:main:{users[0]}", node_id(backend, users[0])
    repairs = node.metric("bellhop_gap_repairs_total")
    backend.client.hset(key, "nodes", "")
    backend.publish(users[0], count=2)
    backend.client.hset(key, "nodes", name)
    assert seqs(clients[0], 2) == [1, 2]
    assert node.metric("bellhop_gap_repairs_total") > repairs
    assert "replay" not in backend.job_names()


def test_a_lost_broadcast_is_fetched_for_everybody(node, backend, clients, users):
    backend.client.srem("nodes", node_id(backend, users[0]))
    backend.broadcast()
    for client in clients:
        assert seqs(client, 1, "all") == [1]
    assert "replay" not in backend.job_names()
    backend.client.sadd("nodes", node_id(backend, users[0]))


def test_frames_published_out_of_order_arrive_in_order(node, backend, clients, users):
    one, two, three = backend.store(users[0], 3)
    for row in (three, two, one):
        backend.publish(rows={users[0]: [row]})
    assert seqs(clients[0], 3) == [1, 2, 3]


def test_a_gap_that_the_tail_cannot_fill_is_filled_by_the_database(node, backend, clients, users):
    backend.store(users[0], 5)
    backend.publish(users[0])
    assert seqs(clients[0], 6) == [1, 2, 3, 4, 5, 6]
    assert backend.job_names().count("replay") == 1


def test_a_cut_subscription_loses_nothing(node, backend, clients, users):
    desyncs = node.metric("bellhop_node_desync_total")
    for number in range(1, 41):
        backend.publish(*users)
        backend.broadcast()
        if number % 10 == 0:
            backend.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    for client in clients:
        mine, others = [], []
        while len(mine) < 40 or len(others) < 40:
            frame = client.wait("notification")
            (mine if frame["stream"] == "me" else others).append(frame["seq"])
        assert mine == others == list(range(1, 41))
    assert node.metric("bellhop_node_desync_total") > desyncs


def test_a_lost_lease_and_lost_presence_are_registered_again(node, backend, clients, users):
    name = node_id(backend, users[0])
    backend.client.delete(f"lease:{name}")
    for user in users:
        backend.client.hset(f"stream:main:{user}", "nodes", "")
    backend.publish(*users)
    for client in clients:
        assert seqs(client, 1) == [1]
    wait_until(lambda: Leases(backend.client).live().get(name))
    assert node_id(backend, users[0]) == name
    backend.publish(*users)
    for client in clients:
        assert seqs(client, 1) == [2]


def test_envelopes_of_another_version_or_of_nobody_are_refused_and_do_no_harm(node, backend, clients, users):
    name = node_id(backend, users[0])
    for raw in (
        b"",
        b"2 frames x",
        b"1 frames main",
        b"1 dance",
        b"\xff\xff",
        b'1 reply x\n{"ref": 1}',
        b"1 reply y\n[",
    ):
        backend.client.publish(f"node:{name}", raw)
    backend.publish(users[0])
    assert seqs(clients[0], 1) == [1]
    assert "envelope_refused" in node.log()


def test_a_deaf_subscription_is_noticed_and_made_again(own_redis, start_node):
    """Both ends of the connection live, but nothing comes through: only the node's own probe can tell."""
    proxy = Proxy(own_redis.port)
    own = Own(own_redis, start_node, url=f"redis://127.0.0.1:{proxy.port}/0")
    proxy.deafen()
    own.backend.publish(*own.users)
    for client in own.clients:
        assert seqs(client, 1) == [1]
    wait_until(lambda: proxy.subscriptions == 2)
    wait_until(own.node.ready)
    assert own.node.metric("bellhop_node_desync_total") == 1
    own.backend.publish(*own.users)
    for client in own.clients:
        assert seqs(client, 1) == [2]
    own.backend.stop()
    proxy.close()


def test_an_emptied_redis_is_filled_again(own):
    own.backend.publish(*own.users)
    own.backend.client.flushall()
    own.backend.client.hset("app:main", mapping={"epoch": "e0", "top": 0})
    own.backend.publish(*own.users)
    for client in own.clients:
        assert seqs(client, 2) == [1, 2]


def test_a_restart_of_redis_is_survived(own):
    own.backend.publish(*own.users)
    own.redis.stop()
    wait_until(lambda: not own.node.ready())
    status, body = own.node.get("/readiness")
    assert status == 503
    assert b"NOT_READY" in body
    assert own.node.refused(token=own.node.token("late")).status == 503
    own.redis.start()
    own.backend.publish(*own.users)
    wait_until(own.node.ready)
    for client in own.clients:
        assert seqs(client, 2) == [1, 2]
    with own.node.connect("late") as late:
        late.online()


def test_a_new_epoch_sends_everybody_back_with_4010(own):
    own.backend.epoch = "e1"
    own.backend.client.hset("app:main", mapping={"epoch": "e1", "top": 0})
    own.backend.publish("u0")
    for client in own.clients:
        bye = client.wait("bye")
        assert (bye["code"], bye["reconnect"]) == (4010, True)
        assert client.closed().code == 4010
    with own.node.connect("u0", since={"epoch": "e0", "me": 0}) as back:
        welcome = back.online()
    assert (welcome["epoch"], welcome["recovered"]) == ("e1", False)
