"""The life of a failing entry, and of the company it travels in."""

import pytest

from workers.backoff import GiveUp, Retry, company, next_attempt


def test_the_waits_double_from_15_seconds_to_five_minutes():
    waits = [next_attempt(attempt, attempts_max=99, jitter=0.0) for attempt in range(1, 9)]

    assert waits == [Retry(s) for s in (15, 30, 60, 120, 240, 300, 300, 300)]


def test_the_last_attempt_is_the_end():
    assert isinstance(next_attempt(7, attempts_max=8, jitter=0.0), Retry)
    assert next_attempt(8, attempts_max=8, jitter=0.0) == GiveUp(8)


def test_jitter_only_lengthens_a_wait():
    assert next_attempt(1, attempts_max=8, jitter=1.0) == Retry(16.5)


def test_a_huge_attempt_number_is_still_a_number():
    assert next_attempt(5000, attempts_max=10_000, jitter=0.0) == Retry(300.0)


@pytest.mark.parametrize(("failures", "members"), [(0, 256), (1, 64), (2, 16), (3, 4), (4, 1), (1000, 1)])
def test_company_shrinks_until_an_entry_travels_alone(failures, members):
    assert company(failures, group_members=256) == members
