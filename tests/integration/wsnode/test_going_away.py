"""SIGTERM: nobody is cut, everybody is told when to come back, nothing confirmed is lost, the process ends with 0."""

import base64
import json
import time

import pytest
import redis

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


def send(client, user):
    client.send(type="send", ref=1, to={"users": [user]}, event="chat", data={"text": "last words"})


def job_of(broker, id):
    """Whether the broker has a job for the notification."""
    bodies = (json.loads(raw)["body"] for raw in broker.lrange("normal", 0, -1))
    return any(id in json.loads(base64.b64decode(body))[1]["ids"] for body in bodies)


def test_what_is_being_accepted_is_answered_before_its_sender_is_sent_away(
    start_node, redis_of_module, backend, user
):
    node = start_node(redis_of_module.url, user_scopes="messages:write", accept_timeout="5")
    client = node.connect(user)
    client.online()
    backend.client.client_pause(600, all=False)
    send(client, user)
    node.terminate()
    client.closed()

    said = [frame for frame in client.seen if frame["type"] in ("reply", "error", "bye")]
    assert [frame["type"] for frame in said] == ["reply", "bye"]
    assert node.stop() == 0
    assert job_of(backend.client, said[0]["result"]["id"])


def test_what_a_client_sent_with_its_last_breath_has_its_job_when_the_node_ends(
    start_node, redis_of_module, own_redis, backend, user
):
    node = start_node(redis_of_module.url, user_scopes="messages:write", broker_url=own_redis.url)
    client = node.connect(user)
    client.wait("welcome")  # whatever jobs that needs: nobody takes them here
    with redis.Redis.from_url(own_redis.url) as broker:
        broker.client_pause(1500, all=False)
        send(client, user)
        reply = client.wait("reply")
        client.socket.close()
        node.terminate()

        assert node.stop() == 0
        assert job_of(broker, reply["result"]["id"])
