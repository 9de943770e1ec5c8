"""The JavaScript client watches users on real nodes: who comes and leaves, and still after its node was drained."""

import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from shared.auth.tokens import issue
from tests.integration.wsnode.client import Client, wait_until
from tests.integration.wsnode.conftest import NodeProcess
from tests.integration.wsnode.sweeper import Sweeper
from tests.node.driver import Driver, Told

GRACE = 0.5
SETTINGS = {
    "presence_grace": str(GRACE),
    "drain_window": "0.2",
    "drain_retry": "0.5",
    "lease_life": "3",
    "lease_refresh": "0.5",
    "user_scopes": "messages:write",
}
ROUNDS = 30
"""Seconds in which a client has tried each of two addresses twice, on a machine that has much else to do."""


class Bell:
    """One client of the driver."""

    numbers = count(1)

    def __init__(self, driver: Driver, token: str, *nodes: NodeProcess) -> None:
        self.driver, self.name = driver, f"bell {next(self.numbers)}"
        driver.do(
            "open", name=self.name, urls=[f"ws://127.0.0.1:{node.port}/ws" for node in nodes], token=token
        )

    def until(self, on: str, count: int = 1, **fields: Any) -> Told:
        """Wait for what it tells."""
        wanted = {"name": self.name, "on": on} | fields
        return self.driver.until(lambda told: wanted.items() <= told.items(), count, ROUNDS)

    def ask(self, method: str, *args: Any) -> Told:
        """Call a method; what its promise came to."""
        tag = next(self.numbers)
        self.driver.do("ask", name=self.name, method=method, args=args, tag=tag)
        return self.until("answer", tag=tag)

    def signals(self) -> list[tuple[str, bool]]:
        """The presence events so far."""
        found = self.driver.all(lambda told: told.get("name") == self.name and told["on"] == "presence")
        return [(one["user"], one["online"]) for one in found]

    def online(self, times: int = 1) -> Told:
        """Wait until it has been online so often."""
        return self.until("status", times, status="online")


@pytest.fixture(scope="module")
def script(npm_ws: str) -> Iterator[Driver]:
    """The process that the clients of this module run in."""
    driver = Driver(npm_ws, Path(__file__).parent / "bellhop.mjs")
    yield driver
    driver.stop()


@pytest.fixture
def bell(script: Driver) -> Iterator[Callable[..., Bell]]:
    made: list[Bell] = []

    def make(*nodes: NodeProcess, scopes: tuple[str, ...] = ("presence:read",)) -> Bell:
        now = int(time.time() * 1000)
        token = issue(nodes[0].settings, user="seer", app="main", ttl=600, now=now, scopes=scopes)
        made.append(Bell(script, token, *nodes))
        return made[-1]

    yield make
    for one in made:
        script.do("close", name=one.name)
        one.until("closed")


@pytest.fixture
def pair(start_node, redis_of_module, backend) -> Iterator[tuple[NodeProcess, NodeProcess]]:
    """Two nodes, and who plays the workers of both."""
    sweeper = Sweeper(redis_of_module.url, grace=GRACE)
    yield start_node(redis_of_module.url, **SETTINGS), start_node(redis_of_module.url, **SETTINGS)
    sweeper.stop()


def come(node: NodeProcess, user: str) -> Client:
    client = node.connect(user)
    client.online()
    return client


def host(node: NodeProcess) -> str:
    return f"ws://127.0.0.1:{node.port}/ws"


def test_it_is_told_who_is_online_who_comes_and_who_leaves(pair, bell, user):
    seer = bell(*pair)
    there = come(pair[1], f"{user} there")
    states = seer.ask("watch", [user, f"{user} there"])["result"]["users"]
    assert states == [{"user": user, "online": False}, {"user": f"{user} there", "online": True}]

    client = come(pair[1], user)
    signal = seer.until("presence", user=user)
    assert (signal["online"], signal["at"][-1]) == (True, "Z")
    client.socket.close()
    seer.until("presence", user=user, online=False)

    assert seer.ask("unwatch", user)["result"] == {"watching": 1}
    again = come(pair[1], user)
    there.socket.close()
    seer.until("presence", user=f"{user} there", online=False)
    assert seer.signals() == [(user, True), (user, False), (f"{user} there", False)]
    again.socket.close()


def test_it_watches_again_when_its_node_was_drained_and_learns_what_it_missed(pair, bell, user):
    seer = bell(*pair)
    here = next(node for node in pair if host(node) == seer.online()["node"])
    there = next(node for node in pair if node is not here)
    stays, leaves = come(there, f"{user} stays"), come(there, f"{user} leaves")
    names = [f"{user} stays", f"{user} leaves", user]
    assert [one["online"] for one in seer.ask("watch", names)["result"]["users"]] == [True, True, False]

    here.terminate()
    seer.until("status", status="offline")
    leaves.socket.close()
    assert seer.online(2)["node"] == host(there)
    assert here.stop() == 0

    seer.until("presence", user=f"{user} leaves", online=False)
    client = come(there, user)
    seer.until("presence", user=user, online=True)
    stays.socket.close()
    seer.until("presence", user=f"{user} stays", online=False)
    assert seer.signals() == [(f"{user} leaves", False), (user, True), (f"{user} stays", False)]
    client.socket.close()


def test_without_the_right_it_is_refused_and_goes_on(pair, bell, user):
    seer = bell(*pair, scopes=())
    assert seer.ask("watch", [user])["error"]["code"] == "forbidden"
    wait_until(lambda: seer.online()["status"] == "online")
    assert seer.ask("unwatch")["result"] == {"watching": 0}
