"""Watching: what those who watch are told, whatever Redis loses, forgets or says late."""

from typing import Any

import gevent
import orjson
import pytest

from shared.protocol.presence import Presence as Told
from shared.redis.client import RedisUnavailable
from wsnode import watching as module
from wsnode.dialects import native
from wsnode.loops import forever
from wsnode.messages import Unwatch, Waiting, Watch
from wsnode.watching import Watching


class Clock:
    def now_ms(self) -> int:
        return 1000

    def monotonic(self) -> float:
        return 1.0


class Peer:
    """A connection; what it was told, as documents."""

    app, dialect, open = "main", native, True

    def __init__(self, number: int, *scopes: str, user: str = "watcher") -> None:
        self.number = number
        self.user = user
        self.scopes = frozenset(scopes or ("presence:read",))
        self.replies: list[dict[str, Any]] = []
        self.signals: list[tuple[str, bool]] = []

    def reply(self, ref: Any, doc: dict[str, Any], *, of: Any = None) -> None:
        assert (doc["ref"], of.ref) == (ref, ref)
        self.replies.append(doc)

    def tell(self, data: bytes) -> None:
        doc = orjson.loads(data[2:])
        assert (doc["type"], doc["signal"]) == ("signal", "presence")
        self.signals.append((doc["user"], doc["online"]))

    @property
    def states(self) -> dict[str, bool]:
        return {one["user"]: one["online"] for one in self.replies[-1]["result"]["users"]}


class Redis:
    """Who is online; `while_asked` runs before an answer leaves."""

    def __init__(self) -> None:
        self.online: set[str] = set()
        self.away = False
        self.calls: list[list[str]] = []
        self.dropped: list[str] = []
        self.while_asked = lambda: None

    def watch(self, node, users):
        if self.away:
            raise RedisUnavailable
        self.calls.append([user for _, user in users])
        found = [user in self.online for _, user in users]
        self.while_asked()
        return found

    def unwatch(self, node, users):
        self.dropped += [user for _, user in users]


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(module, "REFRESH", 0.02)
    redis = Redis()
    watching = Watching("n1", redis, Clock(), most=3)
    greenlets = [watching.start()[0]]
    yield redis, watching, greenlets
    gevent.killall(greenlets)


def settle(condition) -> None:
    with gevent.Timeout(5):
        while not condition():
            gevent.sleep(0.001)


def watch(watching, peer, *users: str, ref=1) -> None:
    before = len(peer.replies)
    watching.watch(peer, Watch(list(users), ref), Waiting(ref))
    settle(lambda: len(peer.replies) > before)


def test_all_who_ask_at_once_are_answered_by_one_question(world):
    redis, watching, _ = world
    redis.online = {"ana"}
    peers = [Peer(number) for number in range(20)]
    for peer in peers:
        watching.watch(peer, Watch(["ana", "ben", "ana"], 1), Waiting(1))

    settle(lambda: all(peer.replies for peer in peers))

    assert redis.calls == [["ana", "ben"]]
    assert peers[0].states == {"ana": True, "ben": False}


def test_a_change_is_told_once_to_those_who_watch(world):
    _, watching, _ = world
    seeing, other = Peer(1), Peer(2)
    watch(watching, seeing, "ana")
    watch(watching, other, "ben")

    for online in (True, True, False):
        watching.told(Told("main", "ana", online, 5))
    watching.told(Told("shop", "ben", True, 5))

    assert (seeing.signals, other.signals) == ([("ana", True), ("ana", False)], [])


def test_what_was_lost_is_made_good_by_the_next_round(world):
    redis, watching, greenlets = world
    seeing = Peer(1)
    watch(watching, seeing, "ana", "ben")
    redis.online = {"ana"}
    greenlets.append(forever(watching._round_again, part="watches"))

    settle(lambda: seeing.signals)
    redis.away = True
    gevent.sleep(0.05)
    redis.away, redis.online = False, set()
    settle(lambda: len(seeing.signals) == 2)

    assert seeing.signals == [("ana", True), ("ana", False)]


def test_an_answer_that_is_older_than_a_signal_is_not_believed(world):
    redis, watching, _ = world
    first, second = Peer(1), Peer(2)
    watch(watching, first, "ana")
    redis.while_asked = lambda: watching.told(Told("main", "ana", True, 5))

    watch(watching, second, "ana")

    assert second.states == {"ana": True}
    assert first.signals == [("ana", True)]


def test_a_signal_before_the_first_answer_is_in_the_answer(world):
    redis, watching, _ = world
    peer = Peer(1)
    redis.while_asked = lambda: watching.told(Told("main", "ana", True, 5))

    watch(watching, peer, "ana")

    assert (peer.states, peer.signals) == ({"ana": True}, [])


def test_who_is_watched_by_nobody_any_more_is_dropped_and_who_still_is_stays(world):
    redis, watching, _ = world
    one, two = Peer(1), Peer(2)
    watch(watching, one, "ana", "ben", "cy")
    watch(watching, two, "ana")

    watching.unwatch(one, Unwatch(["ben", "nobody"], 2), Waiting(2))
    assert one.replies[-1]["result"] == {"watching": 2}
    settle(lambda: redis.dropped == ["ben"])
    watching.left(one)
    settle(lambda: redis.dropped == ["ben", "cy"])
    watching.told(Told("main", "ana", True, 5))

    assert (one.signals, two.signals) == ([], [("ana", True)])
    watching.unwatch(two, Unwatch([], 3), Waiting(3))
    settle(lambda: redis.dropped == ["ben", "cy", "ana"])
    assert not watching._of and not watching._watched


def test_bounds_and_rights_are_kept_and_told(world, monkeypatch):
    _, watching, _ = world
    peer = Peer(1)
    watch(watching, peer, "a", "b", "c")
    watch(watching, peer, "d")
    assert (peer.replies[-1]["code"], peer.replies[-1]["retryable"]) == ("too_many_requests", False)
    watch(watching, peer, "c", "a")
    assert peer.replies[-1]["type"] == "reply"
    watch(watching, nobody := Peer(2, "inbox:read"), "a")
    assert nobody.replies[-1]["code"] == "forbidden"

    monkeypatch.setattr(module, "WATCHED_MAX", 3)
    full = Peer(3)
    watch(watching, full, "e")
    assert (full.replies[-1]["code"], full.replies[-1]["retryable"]) == ("unavailable", True)


def test_without_redis_the_answer_is_a_retryable_error_and_the_next_one_works(world):
    redis, watching, _ = world
    redis.away = True
    peer = Peer(1)
    watch(watching, peer, "ana")
    assert (peer.replies[-1]["code"], peer.replies[-1]["retryable"]) == ("unavailable", True)

    redis.away = False
    watch(watching, peer, "ana")

    assert peer.states == {"ana": False}


def test_one_user_cannot_take_all_that_a_node_can_watch(world, monkeypatch):
    monkeypatch.setattr(module, "SHARE", 4)
    _, watching, _ = world
    first, second, other = Peer(1), Peer(2), Peer(3, user="somebody else")
    watch(watching, first, "a", "b", "c")
    watch(watching, first, "a", "b")  # again costs nothing
    watch(watching, second, "d", "e")
    assert (second.replies[-1]["code"], second.replies[-1]["retryable"]) == ("too_many_requests", False)
    watch(watching, other, "d", "e")
    assert other.states

    watching.left(first)

    watch(watching, second, "d", "e", "f")
    assert second.states
