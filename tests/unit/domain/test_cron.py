"""Cron expressions: what is refused, and that each fires when a walk over all minutes says, where clocks change too."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.cron import BadCron, Cron, parse

MINUTE = timedelta(minutes=1)
HOURS = 36
# (zone, day before the clocks change): forward and back, by one hour, by half of one, by two, at midnight, by a day.
CHANGES = [
    ("Europe/Berlin", (2026, 3, 28)),
    ("Europe/Berlin", (2026, 10, 24)),
    ("America/New_York", (2026, 3, 7)),
    ("America/New_York", (2026, 10, 31)),
    ("Australia/Lord_Howe", (2026, 4, 4)),
    ("Australia/Lord_Howe", (2026, 10, 3)),
    ("America/Santiago", (2026, 4, 4)),
    ("America/Santiago", (2026, 9, 5)),
    ("Africa/Cairo", (2026, 4, 23)),
    ("Antarctica/Troll", (2026, 3, 28)),
    ("Antarctica/Troll", (2026, 10, 24)),
    ("Africa/Casablanca", (2026, 2, 14)),
    ("Pacific/Apia", (2011, 12, 29)),
    ("Asia/Kolkata", (2026, 6, 1)),
    ("UTC", (2026, 2, 27)),
]
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


def fires(text: str, zone: str, begin: datetime, end: datetime) -> list[datetime]:
    cron, found = Cron(parse(text), ZoneInfo(zone)), []
    at = cron.next(begin)
    while at is not None and at <= end:
        found.append(at)
        at = cron.next(at)
    return found


@cache
def walk(zone: str, day: tuple[int, int, int]) -> list[tuple[datetime, datetime]]:
    """Every minute from noon before the change on: the instant, and what the clock on the wall shows."""
    begin, info = datetime(*day, 12, tzinfo=UTC), ZoneInfo(zone)
    instants = [begin + n * MINUTE for n in range(HOURS * 60 + 1)]
    return [(at, at.astimezone(info).replace(tzinfo=None, fold=0)) for at in instants]


def values(field: str, bounds: tuple[int, int]) -> set[int]:
    """A second reading of a field, of what the strategy writes."""
    found: set[int] = set()
    for part in field.split(","):
        body, _, step = part.partition("/")
        first, last = bounds if body == "*" else ([int(x) for x in body.split("-")] * 2)[:2]
        if step and body.isdigit():
            last = bounds[1]
        found |= set(range(first, last + 1, int(step or 1)))
    return found


@cache
def sets(text: str) -> list[set[int]]:
    return [values(f, b) for f, b in zip(text.split(), BOUNDS, strict=True)]


def shows(text: str, local: datetime) -> bool:
    fields = text.split()
    minute, hour, day, month, weekday = sets(text)
    if local.minute not in minute or local.hour not in hour:
        return False
    by_day, by_weekday = local.day in day, (local.weekday() + 1) % 7 in weekday
    both = fields[2].startswith("*") or fields[4].startswith("*")
    right_day = (by_day and by_weekday) if both else (by_day or by_weekday)
    return local.month in month and right_day


def brute(text: str, zone: str, day: tuple[int, int, int]) -> list[datetime]:
    """What the page of the guide says, minute by minute."""
    minutes = walk(zone, day)
    if any(field.startswith("*") for field in text.split()[:2]):
        return [at for at, local in minutes[1:] if shows(text, local)]
    first: dict[datetime, datetime] = {}
    for at, local in minutes:
        first.setdefault(local, at)
    found = {at for local, at in first.items() if shows(text, local)}
    for (_, before), (at, after) in pairwise(minutes):
        gap = [before + n * MINUTE for n in range(1, int((after - before) / MINUTE))]
        if any(shows(text, local) for local in gap):
            found.add(at)
    return sorted(found - {minutes[0][0]})


@st.composite
def field(draw, bounds):
    low, high = bounds
    one = st.integers(low, high)
    kind = draw(st.sampled_from(["*", "*/n", "a", "a-b", "a,b", "a-b/n"]))
    if kind in ("*", "a", "*/n"):
        step = draw(st.integers(2, high))
        return {"*": "*", "a": str(draw(one)), "*/n": f"*/{step}"}[kind]
    # A range of one with a step reads as "from there on" in the library, as in others.
    a, b = sorted(draw(st.lists(one, min_size=2, max_size=2, unique=True)))
    return {"a-b": f"{a}-{b}", "a,b": f"{a},{b}", "a-b/n": f"{a}-{b}/{draw(st.integers(1, 9))}"}[kind]


# Days and months mostly free, so that most expressions fire at all within some days; hours near the change.
hours = st.one_of(field((0, 23)), field((0, 3)))
expressions = st.tuples(
    field((0, 59)),
    hours,
    st.one_of(st.just("*"), field((1, 31))),
    st.just("*"),
    st.one_of(st.just("*"), field((0, 6))),
).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(text=expressions, where=st.sampled_from(CHANGES))
def test_it_fires_when_a_walk_over_all_minutes_says(text, where):
    zone, day = where
    minutes = walk(zone, day)

    found = fires(text, zone, minutes[0][0], minutes[-1][0])

    assert found == sorted(set(found)), "not strictly increasing"
    assert found == brute(text, zone, day)


@settings(max_examples=200, deadline=None)
@given(
    text=expressions,
    where=st.sampled_from(CHANGES),
    seconds=st.integers(0, HOURS * 3600),
    ms=st.integers(0, 999),
)
def test_the_next_one_is_the_same_from_wherever_one_asks(text, where, seconds, ms):
    zone, day = where
    minutes = walk(zone, day)
    after = minutes[0][0] + timedelta(seconds=seconds, milliseconds=ms)

    found = Cron(parse(text), ZoneInfo(zone)).next(after)

    expected = next((at for at in brute(text, zone, day) if at > after), None)
    assert found is None or found > after
    if expected is not None:
        assert found == expected


def local(text: str, zone: str, day: tuple[int, int, int], days: int = 3) -> list[str]:
    begin = datetime(*day, tzinfo=ZoneInfo(zone))
    found = fires(text, zone, begin.astimezone(UTC), (begin + timedelta(days=days)).astimezone(UTC))
    return [at.astimezone(ZoneInfo(zone)).strftime("%d %H:%M %z") for at in found]


def test_a_time_in_a_gap_fires_once_right_after_it():
    assert local("15,30 2 * * *", "Europe/Berlin", (2026, 3, 28)) == [
        "28 02:15 +0100",
        "28 02:30 +0100",
        "29 03:00 +0200",
        "30 02:15 +0200",
        "30 02:30 +0200",
    ]


def test_a_time_that_comes_twice_fires_the_first_time():
    assert local("30 2 * * *", "Europe/Berlin", (2026, 10, 24)) == [
        "24 02:30 +0200",
        "25 02:30 +0200",
        "26 02:30 +0100",
    ]


def test_intervals_follow_the_clock_through_both_passes_of_an_hour():
    assert local("*/30 2 * * *", "Europe/Berlin", (2026, 10, 25), 1) == [
        "25 02:00 +0200",
        "25 02:30 +0200",
        "25 02:00 +0100",
        "25 02:30 +0100",
    ]


def test_intervals_leave_out_what_a_gap_swallows():
    assert local("*/30 2 * * *", "Europe/Berlin", (2026, 3, 29), 1) == []


def test_the_29th_of_february_is_found_years_ahead():
    cron = Cron("0 12 29 2 *", ZoneInfo("Europe/Berlin"))
    first = cron.next(datetime(2026, 3, 1, tzinfo=UTC))
    assert first == datetime(2028, 2, 29, 11, tzinfo=UTC)


def test_a_change_of_a_whole_day_fires_what_it_swallowed_once():
    assert local("0 6,18 * * *", "Pacific/Apia", (2011, 12, 29)) == [
        "29 06:00 -1000",
        "29 18:00 -1000",
        "31 00:00 +1400",
        "31 06:00 +1400",
        "31 18:00 +1400",
    ]


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "@daily", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "5-1 * * * *",
     "a * * * *", "*/0 * * * *", "0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6 *", "1,,2 * * * *", "٣ * * * *",
     "0 0 * * " + ",".join("1" * 99)],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(BadCron, match=r"\.$"):
        parse(text)


@given(st.text(alphabet="*/,-#LW0123456789 SUNMONJAN", max_size=40))
def test_any_text_is_an_expression_or_is_refused(text):
    try:
        found = parse(text)
    except BadCron:
        return
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    at = Cron(found, ZoneInfo("Europe/Berlin")).next(begin)
    assert at is None or at > begin


def test_spaces_do_not_matter():
    assert parse("  0  9 *\t* MON-FRI ") == "0 9 * * MON-FRI"


def test_last_days_and_nth_weekdays_are_known():
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    end = datetime(2026, 4, 1, tzinfo=UTC)
    assert [at.day for at in fires("0 9 L * *", "UTC", begin, end)] == [31, 28, 31]
    assert [at.day for at in fires("0 9 * * MON#1", "UTC", begin, end)] == [5, 2, 2]
    assert list(takewhile(lambda at: at < end, fires("0 9 LW * *", "UTC", begin, end)))[1].day == 27
