"""For how long a count is good enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.tally import Tally, serves


def tally(took_ms: int = 0, mark: str = "sent", **states: int) -> Tally:
    return Tally(states, None, 1_000_000, took_ms, mark)


@pytest.mark.parametrize(
    ("age", "took", "good"),
    [(0, 0, True), (999, 0, True), (1000, 0, False), (1000, 30, True), (1499, 30, True), (1500, 30, False)],
)
def test_the_longer_it_took_the_longer_it_serves(age: int, took: int, good: bool) -> None:
    assert serves(tally(took), "sent", now_ms=1_000_000 + age, patience_ms=1000) is good


def test_of_another_state_of_the_notification_it_says_nothing() -> None:
    assert not serves(tally(mark="sending"), "sent", now_ms=1_000_000, patience_ms=1000)


def test_a_count_from_the_future_is_not_believed() -> None:
    assert not serves(tally(), "sent", now_ms=999_999, patience_ms=1000)


@given(took=st.integers(0, 10_000), asked=st.lists(st.integers(1, 5000), max_size=60))
def test_whoever_watches_has_it_counted_a_fiftieth_of_the_time_at_most(took: int, asked: list[int]) -> None:
    now, last, spent, begun = 1_000_000, tally(took), took, 1_000_000
    for wait in asked:
        now += wait
        if not serves(last, "sent", now_ms=now, patience_ms=1000):
            last = Tally({}, None, now, took, "sent")
            spent += took
    assert spent <= took + (now - begun) / 50


def test_it_is_final_once_nothing_is_open() -> None:
    assert tally(delivered=3, expired=1).final()
    assert not tally(delivered=3, pending=1).final()
    assert not tally(delivered=3, held=1).final()
