"""Clients that do not keep up: cut off by themselves, and nobody else notices."""

import threading
import time

import pytest

from tests.integration.wsnode.client import PING, wait_until
from tests.integration.wsnode.conftest import NodeProcess


@pytest.fixture(scope="module")
def strict_node(tmp_path_factory, redis_of_module):
    """Little patience: two seconds for a write, one for a ping."""
    node = NodeProcess(
        tmp_path_factory.mktemp("node"),
        redis_of_module.url,
        write_deadline="2",
        ping_interval="1",
        pong_wait="0.5",
        drain_window="0",
    )
    node.start()
    yield node
    node.stop()


class Reader(threading.Thread):
    """A healthy client beside a bad one: reads everything, and when it came."""

    def __init__(self, client, count):
        super().__init__(daemon=True)
        self.client, self.count = client, count
        self.seqs: list[int] = []
        self.times: list[float] = []

    def run(self):
        for _ in range(self.count):
            self.seqs.append(self.client.wait("notification")["seq"])
            self.times.append(time.monotonic())


def test_a_client_that_stops_reading_is_closed_with_4008_while_others_receive_all(node, backend, user):
    other = f"{user} other"
    with node.connect(user, receive_buffer=4096) as slow, node.connect(other) as healthy:
        slow.online()
        healthy.online()
        before = node.metric("bellhop_slow_disconnects_total")
        reader = Reader(healthy, 200)
        reader.start()
        for _ in range(200):
            backend.publish(user, other, size=50_000)
        reader.join(30)
        wait_until(lambda: node.metric("bellhop_slow_disconnects_total") == before + 1)
        closed = slow.closed()

    assert reader.seqs == list(range(1, 201))
    assert closed.code == 4008
    bye = slow.seen[-1]
    assert (bye["type"], bye["code"], bye["reconnect"]) == ("bye", 4008, True)
    shown = [frame["seq"] for frame in slow.seen if frame["type"] == "notification"]
    assert shown == list(range(1, len(shown) + 1)), "what was cut is the end, never a frame in the middle"
    assert len(shown) < 200


def test_a_write_that_stays_blocked_ends_the_connection(strict_node, backend, user):
    with strict_node.connect(user, receive_buffer=4096) as slow:
        slow.online()
        before = strict_node.metric("bellhop_slow_disconnects_total")
        backend.publish(user, size=200_000)
        for _ in range(20):
            backend.publish(user, size=200_000)
        wait_until(lambda: strict_node.metric("bellhop_slow_disconnects_total") == before + 1)


def test_a_long_absence_is_sent_whole_however_slowly_it_is_read(node, backend, user):
    """What a resume brings is more than the outbox takes, and must not look like a slow client."""
    with node.connect(user) as client:
        since = client.online()
    backend.store(user, 60, size=50_000)
    backend.publish(user, size=50_000)
    resumed = {"epoch": since["epoch"], "me": 0, "all": since["all"]}
    with node.connect(user, since=resumed, receive_buffer=4096) as client:
        client.wait("welcome")
        wait_until(lambda: "replay" in backend.job_names())
        backend.publish(user)
        assert [frame["seq"] for frame in client.notifications(62)] == list(range(1, 63))


def test_a_client_that_answers_no_ping_is_gone(strict_node, backend, user):
    with strict_node.connect(user) as client:
        client.online()
        pings = 0
        while client.read().opcode == PING:
            pings += 1
            if pings == 1:
                break
        assert client.ended()


def test_a_client_that_answers_pings_stays(strict_node, backend, user):
    with strict_node.connect(user) as client:
        client.online()
        assert client.quiet(3.5)
        backend.publish(user)
        assert client.wait("notification")["seq"] == 1
