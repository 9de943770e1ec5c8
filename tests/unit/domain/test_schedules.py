"""Instants of a schedule, and what becomes of those that passed."""

from itertools import islice, pairwise, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.schedules import (
    CATCH_UP_MAX,
    LATE_MS,
    CatchUp,
    Fire,
    Reason,
    Timing,
    due,
    instants,
    next_after,
    whole_second,
)

NOW = 1_790_000_040_000
HOUR = 3_600_000


def each(seconds: int, **changes) -> Timing:
    values = {"cron": None, "every": seconds, "timezone": "UTC", "anchor": NOW, "start": None, "end": None}
    return Timing(**{**values, **changes})


def by(cron: str, **changes) -> Timing:
    return each(1, **{"every": None, "cron": cron, **changes})


timings = st.builds(
    lambda every, cron, anchor, start, end: Timing(
        cron=None if every else cron,
        every=every,
        timezone="Europe/Berlin",
        anchor=NOW + anchor * 1000 if start is None else NOW + start * 1000,
        start=None if start is None else NOW + start * 1000,
        end=None if end is None else NOW + end * 1000,
    ),
    st.none() | st.integers(1, 100_000),
    st.sampled_from(["* * * * *", "*/7 * * * *", "0 3 * * *", "15 */6 * * *", "30 2 * * SUN", "0 0 1 1 *"]),
    st.integers(-200_000, 0),
    st.none() | st.integers(-400_000, 400_000),
    st.none() | st.integers(-400_000, 400_000),
)


@settings(deadline=None)
@given(timing=timings, after=st.integers(-500_000_000, 500_000_000))
def test_instants_grow_lie_within_start_and_end_and_are_whole_seconds(timing, after):
    found = list(islice(instants(timing, NOW + after), 50))

    assert all(a < b for a, b in pairwise(found))
    assert all(at > NOW + after and at % 1000 == 0 for at in found)
    assert all(timing.start is None or at >= timing.start for at in found)
    assert all(timing.end is None or at <= timing.end for at in found)
    if timing.every is not None:
        assert all((at - timing.anchor) % (timing.every * 1000) == 0 for at in found)
        assert all(b - a == timing.every * 1000 for a, b in pairwise(found))


@settings(deadline=None)
@given(timing=timings, after=st.integers(-500_000_000, 500_000_000), step=st.integers(0, 10_000_000))
def test_whoever_asks_later_finds_the_same_instants(timing, after, step):
    found = next_after(timing, NOW + after)
    if found is not None and NOW + after + step < found:
        assert next_after(timing, NOW + after + step) == found


@settings(deadline=None)
@given(
    timing=timings,
    back=st.integers(0, 30_000_000),
    catch_up=st.sampled_from(CatchUp),
    steps=st.lists(st.integers(1, 20_000_000), min_size=1, max_size=4),
)
def test_however_often_one_looks_each_instant_is_dealt_with_once(timing, back, catch_up, steps):
    """Looking several times, at any moments, fires each instant at most once, and leaves none without a word."""
    next_at = next_after(timing, NOW - back)
    told: list[Fire] = []
    now = NOW - back
    for step in steps:
        now += step
        if next_at is None or next_at > now:
            continue
        found = due(timing, next_at=next_at, now=now, catch_up=catch_up, skip_at=None)
        assert found.next is None or found.next > now
        told += found.fires
        next_at = found.next

    assert [one.at for one in told] == sorted({one.at for one in told})
    wanted = list(islice(takewhile(lambda at: at <= now, instants(timing, NOW - back)), 5000))
    left_out = [(one.since, one.at) for one in told if one.reason is Reason.SKIPPED]
    fired = {one.at for one in told if one.reason is not Reason.SKIPPED}
    if len(wanted) < 5000:
        assert all((at in fired) != any(a <= at <= b for a, b in left_out) for at in wanted)
        assert fired <= set(wanted)


def test_every_counts_from_its_start_on():
    start = NOW + 5000
    assert list(islice(instants(each(60, anchor=start, start=start), NOW), 3)) == [
        start,
        start + 60_000,
        start + 120_000,
    ]


def test_a_start_long_ago_keeps_the_beat():
    start = NOW - 10 * HOUR - 7000
    assert next_after(each(60, anchor=start, start=start), NOW) == NOW + 53_000


def test_the_end_is_the_last_instant():
    assert list(instants(each(10, end=NOW + 20_000), NOW)) == [NOW + 10_000, NOW + 20_000]


def test_what_is_a_little_late_fires_whatever_catch_up_says():
    for catch_up in CatchUp:
        timing = each(1, anchor=NOW - HOUR)
        found = due(timing, next_at=NOW - 2000, now=NOW + 400, catch_up=catch_up, skip_at=None)
        assert found.fires == tuple(Fire(NOW + n, Reason.DUE) for n in (-2000, -1000, 0))
        assert found.next == NOW + 1000


def missed(catch_up: CatchUp, *, hours: int = 5):
    timing = each(3600, anchor=NOW - 10 * HOUR)
    return due(timing, next_at=NOW - hours * HOUR, now=NOW + 5 * LATE_MS, catch_up=catch_up, skip_at=None)


def test_skip_fires_nothing_that_was_missed_and_says_so():
    found = missed(CatchUp.SKIP)
    assert found.fires == (Fire(NOW, Reason.SKIPPED, NOW - 5 * HOUR),)
    assert found.next == NOW + HOUR


def test_once_fires_the_latest_that_was_missed():
    assert missed(CatchUp.ONCE).fires == (
        Fire(NOW - HOUR, Reason.SKIPPED, NOW - 5 * HOUR),
        Fire(NOW, Reason.CATCH_UP),
    )
    assert missed(CatchUp.ONCE, hours=0).fires == (Fire(NOW, Reason.CATCH_UP),)


def test_all_fires_each_that_was_missed():
    assert missed(CatchUp.ALL).fires == tuple(Fire(NOW - n * HOUR, Reason.CATCH_UP) for n in range(5, -1, -1))


@pytest.mark.parametrize("timing", [each(1, anchor=NOW - 100 * HOUR), by("* * * * *")])
def test_all_is_bounded_and_says_what_it_left_out(timing):
    first = next_after(timing, NOW - 99 * HOUR)
    found = due(timing, next_at=first, now=NOW, catch_up=CatchUp.ALL, skip_at=None)

    caught = [one.at for one in found.fires if one.reason is Reason.CATCH_UP]
    assert len(caught) == CATCH_UP_MAX
    assert found.fires[0].reason is Reason.SKIPPED
    assert found.fires[0].since == first
    # Without a hole: the one left out last is just before the first that fires.
    assert next_after(timing, found.fires[0].at) == caught[0]
    assert max(caught) < NOW - LATE_MS <= min(one.at for one in found.fires if one.reason is Reason.DUE)


def test_seldom_instants_are_found_however_far_back():
    year = 366 * 24 * HOUR
    timing = by("0 0 1 * *")
    first = next_after(timing, NOW - year)
    found = due(timing, next_at=first, now=NOW, catch_up=CatchUp.ALL, skip_at=None)
    assert [one.reason for one in found.fires] == [Reason.CATCH_UP] * 12


def test_the_one_that_is_to_be_skipped_is_skipped_wherever_it_stands():
    timing = each(1, anchor=NOW - HOUR)
    found = due(timing, next_at=NOW - 2000, now=NOW, catch_up=CatchUp.ONCE, skip_at=NOW - 1000)
    assert [one.reason for one in found.fires] == [Reason.DUE, Reason.SKIPPED, Reason.DUE]
    hourly = each(3600, anchor=NOW - 10 * HOUR)
    found = due(hourly, next_at=NOW, now=NOW + HOUR - 1000, catch_up=CatchUp.ONCE, skip_at=NOW)
    assert found.fires == (Fire(NOW, Reason.SKIPPED, NOW),)


def test_it_is_over_after_its_end():
    found = due(
        each(10, anchor=NOW - HOUR, end=NOW), next_at=NOW, now=NOW, catch_up=CatchUp.ONCE, skip_at=None
    )
    assert found.fires == (Fire(NOW, Reason.DUE),)
    assert found.next is None


def test_a_second_begins_where_its_milliseconds_do():
    assert whole_second(NOW + 999) == NOW
