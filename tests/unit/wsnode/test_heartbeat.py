"""The heartbeat, driven by a clock of the test."""

from typing import Any

import pytest

from shared.protocol.close_codes import CloseCode
from wsnode.heartbeat import TICK, Heartbeat


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return int(self.now * 1000)


class One:
    """A connection that answers pings while `alive`."""

    def __init__(self, expires_at: int | None = None) -> None:
        self.open = True
        self.heard = True
        self.alive = True
        self.expires_at = expires_at
        self.pings = 0
        self.warned = False
        self.end: Any = None

    def beat(self) -> None:
        self.pings += 1
        self.heard = self.alive

    def expiring(self) -> None:
        self.warned = True

    def leave(self, code: CloseCode, reason: str, *, retry_after: float | None = None) -> None:
        self.open, self.end = False, code

    def lost(self, reason: str) -> None:
        self.open, self.end = False, reason


@pytest.fixture
def clock() -> Clock:
    return Clock()


def beat(clock: Clock, everybody: list[One], seconds: float, **options: Any) -> Heartbeat:
    heart = Heartbeat(
        clock,
        ping_interval=25,
        pong_wait=8,
        everybody=lambda: [one for one in everybody if one.open],
        sweeps=options.get("sweeps", []),
        slow_sweeps=[],
    )
    run(clock, heart, seconds)
    return heart


def run(clock: Clock, heart: Heartbeat, seconds: float) -> None:
    for _ in range(round(seconds / TICK)):
        clock.now += TICK
        heart.tick()


def test_everybody_is_pinged_once_an_interval(clock: Clock):
    everybody = [One() for _ in range(1000)]
    beat(clock, everybody, 75.5)
    assert {one.pings for one in everybody} <= {3, 4}


def test_pings_are_spread_over_the_interval(clock: Clock):
    everybody = [One() for _ in range(1000)]
    heart = beat(clock, everybody, TICK)
    assert 1 <= sum(one.pings for one in everybody) <= 5
    run(clock, heart, 12)
    assert 400 <= sum(one.pings for one in everybody) <= 600


def test_who_is_silent_after_a_ping_is_gone(clock: Clock):
    well, dead = One(), One()
    dead.alive = False
    heart = beat(clock, [well, dead], 7)
    assert dead.open
    run(clock, heart, 2)
    assert (well.open, dead.open, dead.end) == (True, False, "silent")


def test_any_byte_after_the_ping_counts_as_life(clock: Clock):
    one = One()
    one.alive = False
    heart = beat(clock, [one], 7)
    one.heard = True
    run(clock, heart, 10)
    assert one.open


def test_a_token_that_ends_soon_is_watched_from_the_start(clock: Clock):
    one = One(expires_at=clock.now_ms() + 2000)
    heart = beat(clock, [], 0)
    heart.expires(one)
    run(clock, heart, 1.9)
    assert one.open
    run(clock, heart, 0.2)
    assert one.end is CloseCode.TOKEN_EXPIRED


def test_a_token_that_ends_later_is_found_in_time(clock: Clock):
    one = One(expires_at=clock.now_ms() + 200_000)
    heart = beat(clock, [one], 199.9)
    heart.expires(one)
    assert one.open
    run(clock, heart, 0.2)
    assert one.end is CloseCode.TOKEN_EXPIRED
