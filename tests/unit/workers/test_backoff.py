"""The life of a failing entry, and of the company it travels in."""

import pytest

from workers.backoff import GiveUp, Retry, company, next_attempt


def test_the_longest_waits_double_from_15_seconds_to_five_minutes():
    waits = [next_attempt(attempt, attempts_max=99, jitter=1.0) for attempt in range(1, 9)]

    assert waits == [Retry(s) for s in (15, 30, 60, 120, 240, 300, 300, 300)]


def test_the_last_attempt_is_the_end():
    assert isinstance(next_attempt(7, attempts_max=8, jitter=0.0), Retry)
    assert next_attempt(8, attempts_max=8, jitter=0.0) == GiveUp(8)


@pytest.mark.parametrize(
    ("attempt", "jitter", "delay_s"), [(1, 0.5, 7.5), (3, 0.25, 15.0), (6, 0.5, 150.0), (7, 0.1, 30.0)]
)
def test_jitter_draws_from_the_whole_wait(attempt, jitter, delay_s):
    assert next_attempt(attempt, attempts_max=8, jitter=jitter) == Retry(delay_s)


@pytest.mark.parametrize(("attempt", "jitter"), [(1, 0.0), (1, 0.06), (7, 0.0), (7, 0.003)])
def test_no_wait_is_shorter_than_a_second(attempt, jitter):
    assert next_attempt(attempt, attempts_max=8, jitter=jitter) == Retry(1.0)


def test_what_failed_together_comes_back_spread_out():
    waits = [next_attempt(5, attempts_max=8, jitter=part / 99).delay_s for part in range(100)]

    assert (min(waits), max(waits)) == (1.0, 240.0)
    # In no fifth of the time more than its share, and the second at the very beginning.
    assert all(19 <= sum(1 for s in waits if low < s <= low + 48) <= 21 for low in range(0, 240, 48))


def test_a_huge_attempt_number_is_still_a_number():
    assert next_attempt(5000, attempts_max=10_000, jitter=1.0) == Retry(300.0)


@pytest.mark.parametrize(("failures", "members"), [(0, 256), (1, 64), (2, 16), (3, 4), (4, 1), (1000, 1)])
def test_company_shrinks_until_an_entry_travels_alone(failures, members):
    assert company(failures, group_members=256) == members
