"""SIGTERM: nobody is cut, everybody is told when to come back, nothing confirmed is lost, the process ends with 0."""

import time

import pytest

from shared.redis.leases import Leases
from tests.integration.wsnode.client import wait_until


def test_everybody_gets_bye_and_4012_spread_over_the_window(start_node, redis_of_module, backend, user):
    node = start_node(redis_of_module.url, drain_window="1", drain_retry="3")
    clients = [node.connect(f"{user} {number}") for number in range(40)]
    for client in clients:
        client.online()
    backend.publish(f"{user} 0")
    clients[0].wait("notification")
    clients[0].send(type="ack", me=1)
    node.terminate()
    ends = []
    for client in clients:
        bye = client.wait("bye")
        closed = client.closed()
        ends.append((bye, closed.code, time.monotonic()))

    assert {(bye["code"], bye["reconnect"], code) for bye, code, _ in ends} == {(4012, True, 4012)}
    waits = [bye["retry_after"] for bye, _, _ in ends]
    assert all(0 <= wait <= 3 for wait in waits)
    assert len(set(waits)) > 10
    assert node.stop() == 0
    wait_until(lambda: backend.client.hget("acks", f"main {user} 0") == b"1 0")
    assert not backend.client.hget(f"stream:main:{user} 0", "nodes")


def test_a_draining_node_takes_nobody_and_gives_its_lease_back(start_node, redis_of_module, backend, user):
    node = start_node(redis_of_module.url, drain_window="3")
    clients = [node.connect(f"{user} {number}") for number in range(5)]
    for client in clients:
        client.online()
    name = backend.client.hget(f"stream:main:{user} 0", "nodes").decode()
    node.terminate()
    wait_until(lambda: not taken(node, user))
    assert node.stop() == 0
    assert name not in Leases(backend.client).live()


def taken(node, user):
    """Whether the node still takes a new connection."""
    try:
        node.refused(token=node.token(user))
    except (ConnectionError, TimeoutError):
        return False
    except pytest.fail.Exception:
        return True
    return False


def test_frames_still_arrive_while_others_are_being_sent_away(start_node, redis_of_module, backend, user):
    node = start_node(redis_of_module.url, drain_window="2")
    users = [f"{user} {number}" for number in range(10)]
    clients = [node.connect(name) for name in users]
    for client in clients:
        client.online()
    node.terminate()
    wait_until(lambda: "drain_begins" in node.log())
    backend.publish(*users)
    got = 0
    for client in clients:
        client.closed()
        got += any(frame["type"] == "notification" for frame in client.seen)
    assert got > 0
