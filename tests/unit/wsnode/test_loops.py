"""What happens all the time goes on after any fault: never silently over, never at full speed."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from structlog.testing import capture_logs

from shared.clock import SystemClock
from shared.protocol.jobs import Receipts as ReceiptsJob
from shared.redis.client import RedisUnavailable
from shared.redis.streams import Since
from wsnode import loops, registrar, visits
from wsnode.dialects import native
from wsnode.drafts import Limits
from wsnode.events import Acked, AskSync, ReadTail
from wsnode.hub import Hub
from wsnode.jobs import Jobs
from wsnode.loops import forever, safely
from wsnode.membership import Identity, Membership, Rhythm
from wsnode.messages import Send, Waiting, Watch
from wsnode.positions import Positions
from wsnode.receipts import Receipts
from wsnode.registrar import Registrar
from wsnode.repairs import Repairs
from wsnode.submitting import Policies, Submitting
from wsnode.subscriber import Subscriber
from wsnode.visits import Visits
from wsnode.watching import Watching

PAUSE = 0.02
LATER = 99_000_000_000_000


class World:
    """Redis, broker and everything else that a part asks: each call fails with `error` while there is one."""

    def __init__(self) -> None:
        self.error: Exception | None = RuntimeError("a fault of ours")
        self.calls = 0
        self.served = 0
        self.clock = SystemClock()
        self.hub: Hub[Any] = Hub("n1")
        self.numbers = iter(range(1, 1000))

    def ask(self, *_: Any, **__: Any) -> Any:
        self.calls += 1
        if self.error is not None:
            raise self.error
        self.served += 1
        return []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.ask

    def peer(self) -> Any:
        """One more connection of a user of its own, in the hub."""
        number = next(self.numbers)
        found = SimpleNamespace(
            number=number, name=f"n1.{number}", app="main", user=f"u{number}", open=True, dialect=native,
            sign_in_session=None, issued_at=None, scopes=frozenset({"presence:read", "messages:write"}),
            opened_at=0.0, sign_in="header", address="", session=SimpleNamespace(since=Since()),
            tails=lambda *_: None, overdue=lambda *_: None, check=lambda *_: None, opened=lambda *_: None,
            reply=lambda *_, **__: None, lost=lambda *_: None,
        )  # fmt: skip
        self.hub.add("main", Hashed(found))
        return Hashed(found)


class Hashed(SimpleNamespace):
    """A connection is known by itself."""

    def __init__(self, found: SimpleNamespace) -> None:
        super().__init__(**vars(found))

    def __hash__(self) -> int:
        return int(self.number)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True)
def said() -> Iterator[list[Any]]:
    """What is logged; not written out, which would take longer than all else."""
    with capture_logs() as said:
        yield said


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "FIRST_BACK_OFF", PAUSE)
    monkeypatch.setattr(loops, "LAST_BACK_OFF", PAUSE * 4)
    monkeypatch.setattr(registrar, "BACK_OFF", PAUSE)
    monkeypatch.setattr(visits, "GATHER", 0.001)


@pytest.fixture
def begun() -> Iterator[list[gevent.Greenlet]]:
    greenlets: list[gevent.Greenlet] = []
    yield greenlets
    gevent.killall(greenlets)


Made = tuple[list[gevent.Greenlet], Callable[[], None]]


def _registering(world: World) -> Made:
    part = Registrar(world.hub, world, world)  # type: ignore[arg-type]
    return part.start(), lambda: part.join(world.peer(), Since())


def _leaving(world: World) -> Made:
    part = Registrar(world.hub, world, world)  # type: ignore[arg-type]
    return part.start(), lambda: part.leave("main", f"gone {next(world.numbers)}")


def _counting(world: World) -> Made:
    part = Registrar(world.hub, world, world)  # type: ignore[arg-type]
    return part.start(), lambda: part.count("main", world.peer().user)


def _acking(world: World) -> Made:
    part = Receipts(world, world)  # type: ignore[arg-type]
    return part.start(), lambda: part.add(world.peer(), Acked(1, 0))


def _logging_visits(world: World) -> Made:
    part = Visits("n1", world, world.clock, addresses=False)  # type: ignore[arg-type]
    return part.start(), lambda: part.opened(world.peer())


def _reading_tails(world: World) -> Made:
    part = Repairs("n1", world, world, hold_gap=1, deadline=1)  # type: ignore[arg-type]
    return part.start(), lambda: part.ask(world.peer(), ReadTail(1, 0, None), 0.0)


def _syncing(world: World) -> Made:
    part = Repairs("n1", world, world, hold_gap=1, deadline=1)  # type: ignore[arg-type]
    return part.start(), lambda: part.ask(world.peer(), AskSync(1), 0.0)


def _watching(world: World) -> Made:
    part = Watching("n1", world, world.clock, most=1000)  # type: ignore[arg-type]
    return part.start(), lambda: part.watch(world.peer(), Watch(["somebody"], 1), Waiting(1))


def _checking_positions(world: World) -> Made:
    part = Positions(world.hub, world, interval=0.01)  # type: ignore[arg-type]
    return part.start(), lambda: world.peer() and None


def _enqueueing(world: World) -> Made:
    part = Jobs(world)  # type: ignore[arg-type]
    return part.start(), lambda: part.put(ReceiptsJob(), lambda: None)


def _accepting(world: World) -> Made:
    doc = {"to": {"users": ["bob"]}, "event": "chat", "data": {}, "type": "send", "ref": 1}
    part = Submitting(world.ask, world, Policies(), Limits(60, 600, 1000), world.clock, timeout=1)  # type: ignore[arg-type]
    return part.start(), lambda: part.send(world.peer(), Send(doc, 1, None, False), Waiting(1))


def _membership(world: World, rhythm: Rhythm) -> Made:
    part = Membership(
        Identity("n1", "here"),
        world,  # type: ignore[arg-type]
        world,  # type: ignore[arg-type]
        recover=world.ask,
        cut=lambda: None,
        rhythm=rhythm,
    )
    return part.start(), part.subscribed


def _recovering(world: World) -> Made:
    return _membership(world, Rhythm(1000, 1000))


def _probing(world: World) -> Made:
    return _membership(world, Rhythm(1000, 0.005))


def _renewing_the_lease(world: World) -> Made:
    return _membership(world, Rhythm(0.005, 1000))


def _subscribing(world: World, monkeypatch: pytest.MonkeyPatch) -> Made:
    part = Subscriber(
        "redis://127.0.0.1:1/0", "c", deliver=world.ask, subscribed=world.ask, unsubscribed=lambda: None
    )
    monkeypatch.setattr(part, "_connect", world.ask)
    return part.start(), lambda: None


PARTS = [
    _registering, _leaving, _counting, _acking, _logging_visits, _reading_tails, _syncing, _watching,
    _checking_positions, _enqueueing, _accepting, _recovering, _probing, _renewing_the_lease,
]  # fmt: skip


def survives(world: World, greenlets: list[gevent.Greenlet], act: Callable[[], None]) -> None:
    """It fails, more than once if it is asked more than once, but not at full speed; then it serves."""
    for _ in range(5):
        act()
        gevent.sleep(PAUSE)
    assert 0 < world.calls < 50, "it was tried, and not at full speed"
    assert not [greenlet for greenlet in greenlets if greenlet.dead]
    world.error = None
    with gevent.Timeout(5):
        while not world.served:
            act()
            gevent.sleep(PAUSE)
    assert not [greenlet for greenlet in greenlets if greenlet.dead]


@pytest.mark.parametrize(
    "error", [RuntimeError("a fault of ours"), RedisUnavailable()], ids=["fault", "redis"]
)
@pytest.mark.parametrize("make", PARTS, ids=lambda make: make.__name__.strip("_"))
def test_a_part_survives_any_fault_of_what_it_asks(world, begun, said, make, error):
    world.error = error
    greenlets, act = make(world)
    begun += greenlets
    gevent.sleep(0)
    survives(world, greenlets, act)
    assert said, "whoever looks sees it in the log"


def test_a_subscription_survives_any_fault(world, begun, monkeypatch):
    greenlets, act = _subscribing(world, monkeypatch)
    begun += greenlets
    gevent.sleep(PAUSE)
    survives(world, greenlets, act)


@pytest.mark.parametrize("make", [_leaving, _counting], ids=["leaving", "counting"])
def test_one_user_whose_record_fails_holds_up_no_other(world, begun, make):
    done: set[str] = set()

    def refuse(_: str, names: Any) -> None:
        if any(user.endswith("1") for _, user in names):
            raise RuntimeError("this record")
        done.update(user for _, user in names)

    world.disconnect = world.count = refuse
    greenlets, act = make(world)
    begun += greenlets
    for _ in range(10):
        act()
    with gevent.Timeout(20):
        while len(done) < 9:
            gevent.sleep(PAUSE)
    assert not [user for user in done if user.endswith("1")]


def test_the_pause_grows_and_is_short_again_after_a_round_that_worked(monkeypatch, begun):
    pauses: list[float] = []
    fails = iter([True, True, True, True, False, True])

    def work() -> None:
        if next(fails):
            raise RuntimeError

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 5:
            raise gevent.GreenletExit

    monkeypatch.setattr(loops, "gevent", SimpleNamespace(sleep=sleep, spawn=gevent.spawn))
    greenlet = forever(work, part="test")
    begun.append(greenlet)
    greenlet.join(timeout=5)
    assert pauses == [PAUSE, PAUSE * 2, PAUSE * 4, PAUSE * 4, PAUSE]


def test_a_fault_of_one_connection_ends_it_and_nothing_else():
    lost: list[str] = []

    def fails() -> None:
        raise RuntimeError

    def fails_again(reason: str) -> None:
        lost.append(reason)
        raise RuntimeError

    safely(SimpleNamespace(name="n1.1", lost=fails_again), fails)
    assert lost == ["a fault of ours"]
