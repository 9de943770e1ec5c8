"""The order of the harms is the seed's alone, and none is left out for long."""

import itertools
from random import Random

from drills.cases.chaos import HARMS, Victim


def order(seed: int, count: int):
    victim = Victim(frame=None, crowd=None, proxies=(), random=Random(seed))
    return list(itertools.islice(victim.order(), count))


def test_a_seed_gives_the_same_order_again():
    assert order(3, 40) == order(3, 40)
    assert order(3, 40) != order(4, 40)


def test_each_round_has_every_harm_once():
    harms = order(1, 2 * len(HARMS))
    assert set(harms[: len(HARMS)]) == set(harms[len(HARMS) :]) == set(HARMS)
