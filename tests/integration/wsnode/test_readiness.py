"""A node that hears nothing says so within 5 seconds, and is ready again by itself; a full Redis does not deafen it."""

import time
from collections.abc import Iterator

import pytest

from launcher.waiting import wait_for
from shared.redis.client import connect
from shared.redis.leases import Leases
from tests.integration.relay import Relay

RED_S = 6
"""5, and one for a loaded machine."""


@pytest.fixture
def way(own_redis) -> Iterator[Relay]:
    relay = Relay(own_redis.port)
    yield relay
    relay.close()


def test_a_redis_behind_a_black_hole_is_red_and_green_again(start_node, way):
    node = start_node(f"redis://127.0.0.1:{way.port}/0")

    way.silent.set()
    assert wait_for(lambda: not node.ready(), seconds=RED_S), node.log()
    status, body = node.get("/readiness")
    assert (status, b"NOT_READY" in body) == (503, True)

    way.mend()
    assert wait_for(node.ready, seconds=30), node.log()


def test_a_cut_redis_is_red_and_green_again(start_node, way):
    node = start_node(f"redis://127.0.0.1:{way.port}/0")

    way.break_off()
    assert wait_for(lambda: not node.ready(), seconds=RED_S), node.log()

    way.mend()
    assert wait_for(node.ready, seconds=30), node.log()


def test_the_lease_of_a_node_outlasts_a_full_redis(start_node, own_redis):
    node = start_node(own_redis.url, lease_life="1", lease_refresh="0.2")
    client = connect(own_redis.url)
    leases = Leases(client)
    client.config_set("maxmemory", "1")

    end = time.monotonic() + 3
    assert not wait_for(lambda: not leases.live() or time.monotonic() > end, seconds=2.5), node.log()

    assert node.ready()
    client.config_set("maxmemory", "0")
    client.close()
