"""The log of connections at its beginning: gathered, bounded, handed over, again after an outage."""

from dataclasses import dataclass
from typing import Any

import pytest

from shared import metrics
from shared.protocol.visit import Visit, decode
from shared.redis.client import RedisUnavailable
from wsnode import visits as module
from wsnode.dialects import native
from wsnode.visits import Visits


class Clock:
    ms = 1_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


class Log:
    def __init__(self) -> None:
        self.away, self.put_so_far, self.refuses = False, [], 0

    def put(self, visits):
        if self.away:
            raise RedisUnavailable
        self.put_so_far.append(visits)
        return self.refuses


@dataclass
class Peer:
    number: int
    opened_at: float = 1000.0
    app: str = "main"
    user: str = "ana"
    sign_in: str = "ticket"
    address: str = "192.0.2.1"
    dialect: Any = native

    @property
    def name(self) -> str:
        return f"n1.{self.number}"


@pytest.fixture
def world():
    clock, log = Clock(), Log()
    return clock, log, Visits("n1", log, clock, addresses=True)


def test_an_end_takes_the_place_of_the_beginning_that_was_not_handed_over_yet(world):
    clock, log, visits = world
    visits.opened(Peer(1))
    clock.ms += 1500
    visits.closed(Peer(1), 4011, "the token has expired")

    visits.flush()

    [[visit]] = log.put_so_far
    assert visit == Visit(
        connection="n1.1", node="n1", app="main", user="ana", opened_at=1_000_000, closed_at=1_001_500,
        code=4011, reason="the token has expired", sign_in="ticket", dialect="native", address="192.0.2.1",
    )  # fmt: skip
    assert decode(visit.encode()) == visit


def test_addresses_are_kept_only_where_that_is_set(world):
    clock, log, _ = world
    visits = Visits("n1", log, clock, addresses=False)
    visits.opened(Peer(1))
    visits.flush()

    assert log.put_so_far[0][0].address is None
    assert b"address" not in log.put_so_far[0][0].encode()


def test_an_outage_loses_nothing_and_what_came_meanwhile_wins(world):
    _, log, visits = world
    log.away = True
    visits.opened(Peer(1))
    visits.flush()
    visits.closed(Peer(1), 1006, "silent")
    log.away = False

    visits.flush()

    assert [visit.code for visit in log.put_so_far[0]] == [1006]


def test_over_the_bound_new_ones_are_counted_and_left_out(world, monkeypatch):
    _, log, visits = world
    monkeypatch.setattr(module, "WAITING_MAX", 2)
    log.refuses = 1
    before = metrics.visits_dropped_total._value.get()
    for number in range(4):
        visits.opened(Peer(number))
    visits.closed(Peer(1), 1000, "")

    visits.flush()

    assert [visit.code for visit in log.put_so_far[0]] == [None, 1000]
    assert metrics.visits_dropped_total._value.get() == before + 3
