"""Walls: how many, how often, and with which answer; and the rate under them."""

from dataclasses import dataclass

import pytest

from shared.errors import AppError
from wsnode import walls as module
from wsnode.rate import Rate
from wsnode.walls import BURST, Walls


@dataclass
class Bounds:
    connections_max: int = 100
    connections_per_user: int = 2
    connections_per_address: int = 3
    unauthenticated_max: int = 5
    handshake_rate: float = 20.0
    handshake_rate_address: float = 4.0


def refused(call, *args, **options) -> tuple[int, float | None]:
    with pytest.raises(AppError) as caught:
        call(*args, **options)
    return caught.value.status, caught.value.retry_after


def test_an_address_has_its_number_of_connections_and_gets_it_back():
    walls = Walls(Bounds())
    for _ in range(3):
        walls.knock("a", connections=0, now=0.0)
        walls.enter("a")
    assert refused(walls.knock, "a", connections=0, now=0.0) == (429, 2.0)
    walls.knock("b", connections=0, now=0.0)
    walls.leave("a")
    walls.knock("a", connections=0, now=0.0)


def test_an_address_has_its_number_of_handshakes_a_second():
    walls = Walls(Bounds())
    for _ in range(int(4 * BURST)):
        walls.knock("a", connections=0, now=0.0)
    assert refused(walls.knock, "a", connections=0, now=0.0)[0] == 429
    walls.knock("b", connections=0, now=0.0)
    walls.knock("a", connections=0, now=0.26)


def test_the_node_has_its_number_of_handshakes_a_second_and_connections():
    walls = Walls(Bounds())
    for number in range(int(20 * BURST)):
        walls.knock(str(number), connections=0, now=0.0)
    assert refused(walls.knock, "one more", connections=0, now=0.0) == (503, 2.0)
    assert refused(walls.knock, "", connections=100, now=10.0) == (503, 2.0)


def test_strangers_and_users_are_bounded():
    walls = Walls(Bounds())
    walls.stranger(4)
    assert refused(walls.stranger, 5) == (503, 2.0)
    walls.user(1)
    assert refused(walls.user, 2) == (429, 2.0)


def test_an_address_that_nobody_knows_is_not_counted():
    walls = Walls(Bounds())
    for _ in range(50):
        walls.knock("", connections=0, now=0.0)
        walls.enter("")
        walls.leave("")


def test_addresses_are_forgotten(monkeypatch):
    monkeypatch.setattr(module, "ADDRESSES_KEPT", 10)
    walls = Walls(Bounds())
    for number in range(100):
        walls.knock(str(number), connections=0, now=float(number))
    assert len(walls._budgets) <= 10


def test_a_rate_allows_its_burst_and_then_one_at_a_time():
    rate, budget, now = Rate(10.0, 2.0), 0.0, 100.0
    for _ in range(20):
        after = rate.after(budget, now)
        assert after is not None
        budget = after
    assert rate.after(budget, now) is None
    assert rate.after(budget, now + 0.11) is not None
