"""A worker of the next version beside this node: its envelopes are refused, and what was in them still arrives."""

import pytest

from tests.integration.wsnode.backend import Backend
from tests.integration.wsnode.client import wait_until

NEWER = b"2 frames main e0 1 compressed\n\x00\x01\x02"


@pytest.fixture
def backend(own_redis):
    backend = Backend(own_redis.url)
    backend.start()
    yield backend
    backend.stop()


@pytest.fixture
def node(own_redis, start_node, backend):
    return start_node(own_redis.url, position_interval="0.5", probe_interval="0.2")


def publish_newer(backend, *users, count=1):
    """As a newer worker does it: record and tail as ever, and an envelope that this node does not know."""
    streams = {user: f"stream:main:{user}" for user in users}
    nodes = {user: backend.client.hget(key, "nodes") for user, key in streams.items()}
    for key in streams.values():
        backend.client.hset(key, "nodes", "")
    backend.publish(*users, count=count)
    for user, key in streams.items():
        backend.client.hset(key, "nodes", nodes[user])
        backend.client.publish(f"node:{nodes[user].decode()}", NEWER)


def test_what_a_newer_worker_sent_is_fetched_from_the_tail_in_order(node, backend):
    with node.connect("ana") as ana:
        ana.online()
        backend.publish("ana")
        publish_newer(backend, "ana", count=2)
        backend.publish("ana")
        publish_newer(backend, "ana")

        seqs = [ana.wait("notification")["seq"] for _ in range(5)]

    assert seqs == [1, 2, 3, 4, 5]
    wait_until(lambda: node.log().count("envelope_refused") == 2)
    assert node.ready()


def test_a_broadcast_of_a_newer_worker_is_fetched_for_everybody(node, backend):
    with node.connect("ana") as ana, node.connect("ben") as ben:
        for client in (ana, ben):
            client.online()
        name = backend.client.hget("stream:main:ana", "nodes").decode()
        backend.client.srem("nodes", name)
        backend.broadcast()
        backend.client.sadd("nodes", name)
        backend.client.publish(f"node:{name}", b"2 all main e0 1 0 0\n[]")

        for client in (ana, ben):
            assert client.wait("notification")["stream"] == "all"
