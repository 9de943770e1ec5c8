"""npm socket.io-client through nginx over both nodes: polling, upgrade, with cookies and without, and a kill."""

import re
import urllib.request
from collections import defaultdict

import pytest

from tests.deploy.conftest import Behind
from tests.deploy.edge import Edge
from tests.e2e.device import wait_until
from tests.e2e.http import Http
from tests.node.conftest import driver, npm_ws
from tests.node.driver import Driver, Page

__all__ = ["driver", "npm_ws"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CLIENTS = 6


@pytest.fixture
def pages(driver: Driver, edge: Edge, whole: Behind, request: pytest.FixtureRequest):
    """Make clients with names of this test; they leave at its end."""
    made: list[Page] = []

    def make(user: str, **options) -> Page:
        auth = {"token": whole.system.token(user)}
        made.append(Page(driver, f"{request.node.name} {user}", edge.url, auth=auth, **options))
        return made[-1]

    yield make
    for page in made:
        page.close()


def polled(edge: Edge, begun: int) -> dict[str, int]:
    """How many requests of polling each node answered since the log had `begun` lines."""
    found: dict[str, int] = defaultdict(int)
    for line in edge.lines()[begun:]:
        if line["path"] == "/socket.io/" and line["status"] == 200:
            found[line["upstream"]] += 1
    return found


def connections(whole: Behind, index: int) -> float:
    """How many sockets and sessions a node has."""
    with urllib.request.urlopen(f"{whole.system.url('node', index)}/metrics", timeout=15) as answer:
        return float(re.search(r"^bellhop_connections (\S+)$", answer.read().decode(), re.M)[1])


@pytest.mark.parametrize("cookies", [False, True], ids=["no cookies", "cookies"])
def test_polling_alone_works_over_both_nodes(pages, edge: Edge, http: Http, cookies: bool):
    """Without a request that goes astray: a client that met the other node would have to begin anew."""
    begun = len(edge.lines())
    clients: dict[str, Page] = {}
    # A node that has just come back is left out for a while: until both have some.
    while len(clients) < CLIENTS or len(polled(edge, begun)) < 2:
        user = f"poll-{cookies}-{len(clients)}"
        client = clients[user] = pages(user, transports=["polling"], withCredentials=cookies)
        assert client.until("connect")["transport"] == "polling"
        assert len(clients) < 50, "one node gets none"
    for user, client in clients.items():
        http.notify(user, data={"message": user})
        assert client.event("new_notification")[0]["recipientId"] == user
        assert not client.told("disconnect") and not client.told("connect_error")
        assert len(client.told("connect")) == 1
    assert not [line for line in edge.lines()[begun:] if line["status"] == 400]


def test_polling_goes_over_to_a_websocket_on_the_same_node(pages, edge: Edge, http: Http):
    clients = [pages(f"over-{n}") for n in range(CLIENTS)]
    for n, client in enumerate(clients):
        client.until("connect")
        assert client.until("upgrade")["transport"] == "websocket"
        http.notify(f"over-{n}")
        client.event("new_notification")
        assert not client.told("disconnect")


@pytest.mark.parametrize("transports", [["polling"], ["websocket"]], ids=["polling", "websocket"])
def test_clients_of_a_killed_node_go_on_at_the_other_one(
    pages, edge: Edge, http: Http, whole: Behind, transports: list[str]
):
    users = [f"kill-{transports[0]}-{n}" for n in range(CLIENTS)]
    clients = [pages(user, transports=transports) for user in users]
    for client in clients:
        client.until("connect")
    # The one that came back last has the fewest, or none.
    killed = max((0, 1), key=lambda index: connections(whole, index))
    try:
        whole.system.hold("node", killed, patience=0)
        wait_until(lambda: any(client.told("disconnect") for client in clients), 30, "some notice")
        ids = {user: http.notify(user) for user in users}
        for user, client in zip(users, clients, strict=True):
            assert client.until("event", event="new_notification", seconds=40)["args"][0]["id"] == ids[user]
    finally:
        whole.system.release("node", killed)
