"""api.tallies: when deliveries are counted, and when the last count is told."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api import tallies
from api.tallies import Counting
from shared.domain.tally import LIST_MS, ONE_MS, Tally
from shared.redis.client import RedisUnavailable
from shared.store.notifications import NotificationRow
from shared.store.tallies import Counted
from tests.unit.api.fakes import NOW, FakeClock

AT = datetime(2026, 1, 1, tzinfo=UTC)


def row(id: str, recipients: int = 5000, **changes: Any) -> NotificationRow:
    values: dict[str, Any] = dict.fromkeys(NotificationRow.__dataclass_fields__)
    values |= {"id": id, "app_id": 1, "recipients": recipients, "status": "sent", "everyone": False}
    return NotificationRow(**{**values, "published_at": AT, **changes})


@dataclass
class Kept:
    """The counts in Redis."""

    found: dict[str, Tally] = field(default_factory=dict)
    counting: set[str] = field(default_factory=set)
    away: bool = False

    def get(self, ids: list[str]) -> dict[str, Tally]:
        self._check()
        return {id: self.found[id] for id in ids if id in self.found}

    def begin(self, id: str) -> bool:
        self._check()
        new = id not in self.counting
        self.counting.add(id)
        return new

    def put(self, tallies: dict[str, Tally]) -> None:
        self._check()
        self.found |= tallies
        self.counting -= set(tallies)

    def _check(self) -> None:
        if self.away:
            raise RedisUnavailable("away")


@dataclass
class World:
    """What is counted, and how often it was."""

    clock: FakeClock = field(default_factory=FakeClock)
    kept: Kept = field(default_factory=Kept)
    states: dict[str, int] = field(default_factory=lambda: {"pending": 5})
    counted: list[str] = field(default_factory=list)
    seconds: float = 0

    def count(self, _: Any, rows: list[NotificationRow]) -> dict[str, Counted]:
        self.counted += [row.id for row in rows]
        self.clock.advance(self.seconds)
        return {row.id: Counted(dict(self.states), None) for row in rows}


@pytest.fixture
def world(monkeypatch) -> World:
    world = World()
    monkeypatch.setattr(tallies.tallies, "count", world.count)
    return world


@pytest.fixture
def counting(world) -> Counting:
    return Counting(world.kept, world.clock)


def test_a_small_audience_is_counted_each_time(world, counting):
    for _ in range(3):
        counting.one(None, row("a", recipients=1000))

    assert world.counted == ["a", "a", "a"]
    assert not world.kept.found


def test_a_big_one_is_counted_once_for_a_while(world, counting):
    told = [counting.one(None, row("a"))]
    world.states = {"pending": 4}
    world.clock.advance(ONE_MS / 1000 - 0.001)
    told.append(counting.one(None, row("a")))
    world.clock.advance(0.001)
    told.append(counting.one(None, row("a")))

    assert [tally.states["pending"] for tally in told] == [5, 5, 4]
    assert [tally.counted_at for tally in told] == [NOW, NOW, NOW + ONE_MS]


def test_one_that_took_long_serves_longer(world, counting):
    world.seconds = 0.1
    counting.one(None, row("a"))
    world.clock.advance(4.8)
    counting.one(None, row("a"))
    assert world.counted == ["a"]
    world.clock.advance(0.1)
    counting.one(None, row("a"))
    assert world.counted == ["a", "a"]


def test_a_change_of_the_notification_is_counted_at_once(world, counting):
    counting.one(None, row("a", status="sending", published_at=None))
    world.kept.counting.add("a")
    counting.one(None, row("a"))

    assert world.counted == ["a", "a"]


def test_while_somebody_counts_the_others_are_told_the_last_count(world, counting):
    counting.one(None, row("a"))
    world.clock.advance(60)
    world.kept.counting.add("a")

    assert counting.one(None, row("a")).counted_at == NOW
    assert world.counted == ["a"]


def test_what_is_over_is_not_counted_again(world, counting):
    world.states = {"delivered": 5, "expired": 1}
    for _ in range(3):
        counting.one(None, row("a"))
        counting.one(None, row("b", everyone=True))
        world.clock.advance(600)

    assert world.counted == ["a", "b", "b", "b"], "to everyone is never over"


def test_without_redis_it_is_counted(world, counting):
    world.kept.away = True

    assert counting.one(None, row("a")).states == {"pending": 5}
    assert counting.many(None, [row("a")])["a"].states == {"pending": 5}


def test_a_list_counts_no_more_than_it_can_afford_and_what_nobody_counted_first(world, counting, monkeypatch):
    monkeypatch.setattr(tallies, "BUDGET", 12_000)
    rows = [row(id) for id in "abcd"]

    first = counting.many(None, [*rows, row("small", recipients=1)])
    assert set(first) == {"a", "b", "small"}
    world.clock.advance(LIST_MS / 1000)
    second = counting.many(None, rows)

    assert world.counted == ["small", "a", "b", "c", "d"]
    assert {id: tally.counted_at for id, tally in second.items()} == {
        "a": NOW, "b": NOW, "c": NOW + LIST_MS, "d": NOW + LIST_MS,
    }  # fmt: skip


def test_one_that_nobody_could_afford_is_counted_alone(world, counting, monkeypatch):
    monkeypatch.setattr(tallies, "BUDGET", 1)

    assert set(counting.many(None, [row("a"), row("b")])) == {"a"}


def test_those_to_everyone_are_counted_together(world, counting):
    calls = []
    count = world.count
    tallies.tallies.count = lambda session, rows: calls.append(len(rows)) or count(session, rows)

    counting.many(None, [row("a", everyone=True), row("b"), row("c", everyone=True)])

    assert sorted(calls) == [1, 2]


def test_a_list_never_tells_the_count_of_another_state(world, counting, monkeypatch):
    monkeypatch.setattr(tallies, "BUDGET", 1)
    counting.one(None, row("b"))

    found = counting.many(None, [row("a"), replace(row("b"), status="cancelled", cancelled_at=AT)])

    assert set(found) == {"a"}
