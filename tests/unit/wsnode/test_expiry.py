"""The end of tokens: a warning in time, once, and then the end, unless another token came."""

from typing import Any

import pytest

from shared.protocol.close_codes import CloseCode
from wsnode.expiry import Expiry

NOW = 1_760_000_000_000


class One:
    def __init__(self, seconds: float | None) -> None:
        self.expires_at = None if seconds is None else NOW + round(seconds * 1000)
        self.open = True
        self.said: list[Any] = []

    def expiring(self) -> None:
        self.said.append("expiring")

    def leave(self, code: CloseCode, reason: str, *, retry_after: float | None = None) -> None:
        self.open = False
        self.said.append(code)


def told_at(one: One, *, until: float, renew: tuple[float, float] | None = None) -> list[tuple[float, Any]]:
    """What it was told and when, looked at each half second and watched again each 25 s, as the heartbeat does."""
    expiry = Expiry(horizon=50)
    told: list[tuple[float, Any]] = []
    for half in range(round(until * 2) + 1):
        second = half / 2
        if renew is not None and second == renew[0]:
            one.expires_at = NOW + round(renew[1] * 1000)
            expiry.watch(one, NOW + half * 500)
        if half % 50 == 0 and one.open:
            expiry.watch(one, NOW + half * 500)
        expiry.tick(NOW + half * 500)
        told += [(second, what) for what in one.said]
        one.said.clear()
    return told


@pytest.mark.parametrize(
    ("life", "warned"), [(3600, 3540), (600, 540), (180, 120), (120, 60), (60, 30), (10, 5), (1, 0.5)]
)
def test_it_is_warned_60_s_before_or_at_half_of_its_life_and_ends_on_time(life: float, warned: float):
    assert told_at(One(life), until=life + 60) == [(warned, "expiring"), (life, CloseCode.TOKEN_EXPIRED)]


def test_a_new_token_takes_the_place_of_the_old_one():
    told = told_at(One(40), renew=(30, 200), until=300)
    assert told == [(20, "expiring"), (140, "expiring"), (200, CloseCode.TOKEN_EXPIRED)]


def test_a_new_token_may_end_sooner():
    assert told_at(One(400), renew=(10, 30), until=500) == [(20, "expiring"), (30, CloseCode.TOKEN_EXPIRED)]


def test_a_token_without_an_end_and_a_connection_that_is_gone_are_nobodys_business():
    gone = One(10)
    gone.open = False
    assert told_at(One(None), until=100) == []
    assert told_at(gone, until=100) == []
    expiry = Expiry(horizon=50)
    expiry.watch(gone, NOW)
    expiry.tick(NOW + 20_000)
    assert not expiry._watched
    assert not expiry._due
