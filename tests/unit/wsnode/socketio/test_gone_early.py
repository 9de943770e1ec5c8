"""Clients of Socket.IO that are gone before they are in, or come several times at once: they leave nothing behind."""

from itertools import count
from typing import Any, cast

import pytest

from shared.auth.principal import Principal, user_principal
from shared.clock import SystemClock
from shared.config import Settings, load
from shared.redis.streams import Since
from tests.model.wire import Loop, Wire
from wsnode.entrance import Entrance
from wsnode.handshake import Request
from wsnode.hub import Hub
from wsnode.net import Net, limits_of
from wsnode.ports import Then
from wsnode.socketio.client import Client
from wsnode.socketio.lobby import Lobby, Reply, Switch
from wsnode.vetting import Vetting

HEADERS = {
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "authorization": "Bearer anas",
}
ADDRESS = "192.0.2.7"
CONNECT = "40"


class Verifier:
    """Every token is ana's."""

    def check(self, _: str) -> Principal:
        return user_principal(app="main", user="ana", scopes=(), expires_at=9 << 40)


class Node:
    """A node without Redis."""

    node, reason = "n1", None

    def __init__(self, settings: Settings) -> None:
        clock = SystemClock()
        self.hub: Hub[Any] = Hub(self.node)
        self.entrance = Entrance(settings, clock, self.hub)
        nothing: Any = None
        self.vetting = Vetting(cast(Any, Verifier()), clock, nothing, nothing, room=self.entrance.room)
        self.net = Net(cast(Any, Loop()), clock, limits_of(settings))
        self.lobby = Lobby(cast(Any, self), self.net, settings, count(1))
        self.asked: list[tuple[str, Then]] = []

    def knock(self, request: Request, *, again: bool = False) -> str:
        return self.entrance.knock(request, again=again)

    def stranger(self) -> None:
        self.entrance.stranger()

    def receive(self, connection: Client, address: str) -> None:
        self.entrance.take(connection, address)

    def joined(self, peer: Any, _: Since) -> None:
        self.entrance.known(peer)
        self.hub.add(peer.app, peer)

    def left(self, peer: Any, _code: int, _reason: str) -> None:
        self.entrance.gone(peer)
        if peer.user:
            self.hub.remove(peer.app, peer)

    def open(self, wire: Wire) -> None:
        """A handshake over this socket."""
        found = self.lobby.serve(request("transport=websocket", HEADERS), lambda _: b"")
        assert isinstance(found, Switch)
        found.enter(cast(Any, wire), b"")

    def client(self, wire: Wire) -> Client:
        """The client of a handshake that is still a stranger."""
        before = set(self.entrance.strangers)
        self.open(wire)
        (client,) = self.entrance.strangers - before
        return cast(Client, client)


def request(query: str, headers: dict[str, str]) -> Request:
    return Request("GET", "HTTP/1.1", "/socket.io/", f"EIO=4&{query}", headers, ADDRESS)


def node(**settings: str) -> Node:
    return Node(load({f"BELLHOP_{name.upper()}": value for name, value in settings.items()}))


def test_a_client_that_is_gone_before_the_first_word_is_counted_nowhere():
    here = node(connections_per_address="2")
    for number in range(1, 5):
        wire = Wire(number)
        wire.closed = True
        here.open(wire)
    assert here.entrance.strangers == set()
    here.open(Wire(9))  # the address has room again
    assert len(here.entrance.strangers) == 1


def test_a_client_that_is_gone_when_it_is_let_in_is_not_in_the_hub():
    here, wire = node(), Wire(1)
    client = here.client(wire)
    wire.closed = True
    client.packet(CONNECT)
    assert len(here.hub) == 0
    assert here.entrance.strangers == set()


def test_handshakes_that_wait_do_not_bring_a_user_over_the_limit():
    here = node(connections_per_user="2")
    clients = [here.client(Wire(number)) for number in range(1, 5)]
    for client in clients:
        client.packet(CONNECT)
    assert [client.signed_in for client in clients] == [True, True, False, False]
    assert [client.open for client in clients] == [True, True, False, False]


def test_one_connect_at_a_time_is_looked_into(monkeypatch: pytest.MonkeyPatch):
    here = node()
    asked: list[Then] = []
    monkeypatch.setattr(here.vetting, "redeem", lambda _ticket, _origin, then: asked.append(then))
    client = here.client(Wire(1))
    for _ in range(50):
        client.packet('40{"ticket":"t"}')
    assert len(asked) == 1
    asked[0](Verifier().check(""))
    assert client.signed_in


def test_a_session_that_goes_over_takes_no_room_besides_its_own():
    here = node(connections_per_address="1", connections_max="1")
    opened = here.lobby.serve(request("transport=polling", {}), lambda _: b"")
    assert isinstance(opened, Reply)
    opened.session.answered(written=True)
    trial = here.lobby.serve(request(f"transport=websocket&sid={opened.session.sid}", HEADERS), lambda _: b"")
    assert isinstance(trial, Switch)

    another = here.lobby.serve(request("transport=websocket", HEADERS), lambda _: b"")
    assert isinstance(another, Reply)
    assert another.status == 429


def test_trials_are_handshakes_of_which_there_are_so_many_a_second():
    here = node(handshake_rate_address="1")
    opened = here.lobby.serve(request("transport=polling", {}), lambda _: b"")
    opened.session.answered(written=True)
    wish = request(f"transport=websocket&sid={opened.session.sid}", HEADERS)
    found = [here.lobby.serve(wish, lambda _: b"") for _ in range(10)]
    assert isinstance(found[0], Switch) and isinstance(found[-1], Reply)
    assert found[-1].status == 429
