"""Registering in batches: nobody is forgotten, nobody holds up the others, and who came back stays."""

from collections.abc import Callable

import gevent
import pytest

from shared.redis.client import RedisUnavailable
from shared.redis.revocations import Standing
from shared.redis.streams import Connected, Since
from wsnode import registrar as module
from wsnode.hub import Hub
from wsnode.registrar import Registrar


class Peer:
    def __init__(self, number: int, user: str) -> None:
        self.number, self.user, self.app = number, user, "main"
        self.open = True
        self.sign_in_session: str | None = None
        self.issued_at: int | None = None
        self.found: list[Connected] = []

    def opened(self, found: Connected) -> None:
        self.found.append(found)

    def leave(self, code: int, reason: str) -> None:
        self.open = False


class Streams:
    """Redis; refuses every call that names one of `poison`."""

    def __init__(self) -> None:
        self.poison: set[str] = set()
        self.calls: list[list[str]] = []
        self.left: list[tuple[str, str]] = []
        self.counted: list[dict[tuple[str, str], int]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def connect(self, node, users, *, sessions):
        self.sessions = sessions
        names = [user for _, user, _ in users]
        self.calls.append(names)
        if self.poison & set(names):
            raise RedisUnavailable
        self.meanwhile()
        ended = [Standing(ended=session == "ended") for session in sessions]
        return [Connected(True, "e", 0, 0, 0, 0, 0, None, [], [], standing) for standing in ended]

    def disconnect(self, node, users):
        self.left += users

    def count(self, node, connections):
        self.counted.append(connections)


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(module, "BACK_OFF", 0.001)
    hub: Hub = Hub("n1")
    streams = Streams()
    registrar = Registrar(hub, streams, streams)
    greenlets = registrar.start()
    yield hub, streams, registrar
    gevent.killall(greenlets)


def settle(condition) -> None:
    with gevent.Timeout(5):
        while not condition():
            gevent.sleep(0.001)


def test_all_who_wait_go_in_one_call(world):
    hub, streams, registrar = world
    peers = [Peer(number, f"u{number}") for number in range(50)]
    for peer in peers:
        hub.add("main", peer)
        registrar.join(peer, Since())
    settle(lambda: all(peer.found for peer in peers))
    assert len(streams.calls) == 1
    assert hub.room("main").epoch == "e"


def test_one_that_redis_refuses_holds_up_nobody_else(world):
    hub, streams, registrar = world
    streams.poison = {"u7"}
    peers = [Peer(number, f"u{number}") for number in range(50)]
    for peer in peers:
        hub.add("main", peer)
        registrar.join(peer, Since())
    settle(lambda: all(peer.found for peer in peers if peer.user != "u7"))
    peers[7].open = False
    settle(lambda: not registrar._joining)
    assert peers[7].found == []


@pytest.mark.parametrize("renewed", [False, True])
def test_a_session_that_has_ended_ends_who_still_goes_by_it(world, renewed):
    """Whoever has renewed the token in between does not: the new one was looked up then."""
    hub, streams, registrar = world
    peer = Peer(1, "ana")
    peer.sign_in_session = "ended"
    hub.add("main", peer)
    if renewed:
        streams.meanwhile = lambda: setattr(peer, "sign_in_session", "new")
    registrar.join(peer, Since())
    settle(lambda: peer.found or not peer.open)
    assert peer.open == renewed


def test_who_left_is_taken_out_unless_another_connection_came(world):
    hub, streams, registrar = world
    gone, stays, again = Peer(1, "gone"), Peer(2, "stays"), Peer(3, "stays")
    for peer in (gone, stays):
        hub.add("main", peer)
    hub.remove("main", gone)
    registrar.leave("main", "gone")
    hub.remove("main", stays)
    registrar.leave("main", "stays")
    hub.add("main", again)
    registrar.join(again, Since())
    settle(lambda: again.found)
    settle(lambda: streams.left)
    assert streams.left == [("main", "gone")]


def test_connections_are_counted_for_whoever_has_more_than_one_and_not_for_who_is_gone(world):
    hub, streams, registrar = world
    for number, user in enumerate(["two", "two", "gone", "one"]):
        hub.add("main", Peer(number, user))
    hub.remove("main", hub.room("main").of("gone")[0])

    registrar.recount()
    registrar.count("main", "gone")

    settle(lambda: streams.counted)
    assert streams.counted == [{("main", "two"): 2}]
