"""The rule behind every limit: how much at once, how much in the long run, and when again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.gcra import Policy, charge, take

SECOND = 1_000_000
policies = st.builds(Policy, st.integers(1, 1000), st.integers(1, 100_000))
attempts = st.lists(st.tuples(st.integers(0, 5 * SECOND), st.integers(1, 5)), max_size=60)


def test_the_limit_at_once_then_one_by_one() -> None:
    policy, tat, now = Policy(3, 3000), 0, 1_790_000_000 * SECOND
    for left in (2, 1, 0):
        taken = take(policy, tat, now)
        assert taken.allowed
        assert taken.remaining == left
        assert taken.retry == 0
        assert taken.reset == (3 - left) * SECOND
        tat = taken.tat

    refused = take(policy, tat, now)
    assert not refused.allowed
    assert refused.tat == tat
    assert refused.retry == SECOND
    assert not take(policy, tat, now + SECOND - 1).allowed
    assert take(policy, tat, now + SECOND).allowed


def test_a_cost_above_the_limit_is_never_allowed() -> None:
    refused = take(Policy(3, 3000), 0, SECOND, cost=4)
    assert not refused.allowed
    assert refused.retry is None
    assert refused.remaining == 3


@pytest.mark.parametrize(("limit", "per_ms"), [(3, 1000), (7, 1000), (999_999, 1000), (1, 1)])
def test_an_interval_that_does_not_divide_is_rounded_up(limit: int, per_ms: int) -> None:
    policy = Policy(limit, per_ms)
    assert 0 <= policy.interval * limit - per_ms * 1000 < limit


@given(policies, attempts)
def test_within_any_stretch_no_more_than_the_limit_and_what_came_back(
    policy: Policy, steps: list[tuple[int, int]]
) -> None:
    now, tat, happened = 10**15, 0, list[tuple[int, int]]()
    for step, cost in steps:
        now += step
        taken = take(policy, tat, now, cost)
        if taken.allowed:
            happened.append((now, cost))
        tat = taken.tat

    for first, (start, _) in enumerate(happened):
        total = 0
        for at, cost in happened[first:]:
            total += cost
            assert total <= policy.limit + (at - start) // policy.interval


@given(policies, attempts)
def test_retry_is_the_first_moment_at_which_it_is_allowed(
    policy: Policy, steps: list[tuple[int, int]]
) -> None:
    now, tat = 10**15, 0
    for step, cost in steps:
        now += step
        taken = take(policy, tat, now, cost)
        if taken.allowed:
            assert taken.retry == 0
        elif taken.retry is None:
            assert cost > policy.limit
        else:
            assert taken.retry > 0
            assert take(policy, tat, now + taken.retry, cost).allowed
            assert not take(policy, tat, now + taken.retry - 1, cost).allowed
        tat = taken.tat


@given(policies, attempts)
def test_remaining_is_what_would_be_allowed_now_and_no_more(
    policy: Policy, steps: list[tuple[int, int]]
) -> None:
    now, tat = 10**15, 0
    for step, cost in steps:
        now += step
        taken = take(policy, tat, now, cost)
        tat = taken.tat
        assert not taken.remaining or take(policy, tat, now, taken.remaining).allowed
        assert not take(policy, tat, now, taken.remaining + 1).allowed
        assert take(policy, tat, now + taken.reset, policy.limit).allowed


@given(policies, st.integers(0, 10**7), st.integers(-(10**9), 10**9))
def test_what_is_charged_counts_in_full_but_nobody_waits_for_more_than_a_window(
    policy: Policy, cost: int, ahead: int
) -> None:
    now = 10**15
    tat = min(now + ahead, now + policy.window)

    charged = charge(policy, tat, now, cost)

    full = max(tat, now) + policy.interval * cost
    assert charged == min(full, now + 2 * policy.window)
    refused = take(policy, charged, now)
    assert refused.retry is not None
    assert refused.retry <= policy.window + policy.interval
