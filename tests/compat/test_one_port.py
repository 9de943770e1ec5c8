"""Behind nginx everything is on one port, as it was: requests and sockets of all designs with one address."""

import json
from collections.abc import Iterator

import pytest

from tests.compat import snippets
from tests.compat.test_contract_a import CLIENT
from tests.compat.test_contract_d import arrives, listening
from tests.compat.test_contract_e import LISTEN, shown
from tests.compat.test_moved import JSON, made_as_the_page_says
from tests.compat.tokens import their_token
from tests.deploy.edge import Edge, Places
from tests.e2e.http import Http

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LOUD = """
const emit = WebSocket.prototype.emit;
WebSocket.prototype.emit = function (name, ...given) {
  if (name === "open") console.log("open");
  if (name === "message") console.log(JSON.parse(String(given[0])));
  return emit.call(this, name, ...given);
};
"""
"""The page's function keeps its socket to itself."""


@pytest.fixture(scope="module")
def port(production) -> Iterator[str]:
    """The address of nginx."""
    settings = production.settings
    apis, nodes = (settings.api_port,) * 2, (settings.node_port, settings.node_port + 1)
    with Edge(Places(apis=apis, nodes=nodes, flower=settings.flower_port)) as edge:
        yield edge.url


@pytest.fixture
def key(production, production_key, shell) -> str:
    return made_as_the_page_says(production, production_key, shell)


def test_a(production, port, key, node, shell):
    with node(CLIENT % (port, their_token(production, 12345))) as program:
        program.says("connected")
        line = f"curl -X POST {port}/notification {JSON} -H 'Authorization: Bearer {key}'"
        assert shell(f"{line} -d '{snippets.A_NOTIFICATION}'") == (200, {"message": "Notification triggered"})
        program.says(json.loads(snippets.A_NOTIFICATION)["data"])


def test_b(production, port, key, node, shell):
    assert shell(f"curl {port}/readiness") == (200, {"status": "READY", "redis": "connected"})
    code = snippets.moved(snippets.B_SOCKET, node=port, YOUR_ACCESS_TOKEN=their_token(production, 19))
    with node(code) as program:
        program.says("Connected")
        line = snippets.moved(snippets.B_NOTIFY, api=port).rstrip()
        assert shell(f"{line} -H 'Authorization: Bearer {key}'") == (200, {"success": True})
        program.says("Received:", {"type": "NOTIFICATION", "data": {"message": "Hello from server!"}})


def test_d(production, port, key, node, shell):
    """Both clients of the page by its whole snippet, which polls first; then its `curl`."""
    token = their_token(production, "user-123")
    with node(snippets.moved(listening(), node=port, your_jwt_token=token)) as receiver:
        receiver.says("connected")
        sender = their_token(production, "d-one-port")
        with node(snippets.moved(snippets.D_SOCKET, node=port, your_jwt_token=sender)) as program:
            program.says("Notification sent successfully")
        arrives(receiver, "Hello, this is a test notification!")
        assert shell(snippets.moved(snippets.D_WEBHOOK, api=port, your_webhook_api_key=key))[0] == 200
        arrives(receiver, "System notification")


def test_e(production, production_key, port, node):
    account = {"username": "e-one-port", "password": "correct horse battery staple"}
    backend = Http(port, production_key)
    assert backend.post("/v1/auth/register", account).status == 201
    known = f"const {{ username, password }} = {json.dumps(account)};"
    by_session = f"{LOUD}{known}{snippets.moved(snippets.E_SESSION, api=port)}await connectWebSocket();"
    by_message = snippets.moved(
        snippets.E_FIRST_MESSAGE, node=port, your_auth_token=their_token(production, "e-one-port")
    )
    with node(by_session) as one, node(by_message + LISTEN) as other:
        one.says("open")
        other.says("open", "")
        backend.notify("e-one-port", data={"message": "to both"})
        one.says(shown("to both"))
        other.says(shown("to both"))
