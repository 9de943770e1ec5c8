"""Nine in the morning, wherever that is, also on the days when clocks are changed."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import to_datetime
from shared.domain import local_time

ZONES = sorted(available_timezones())
WALL = st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2037-01-01"))


def when(local: str, zone: str | None) -> datetime:
    return to_datetime(local_time.in_zone(local_time.parse(local), zone))


def test_a_time_is_the_wall_clock_of_each_zone():
    assert when("2026-12-01T09:00:00", "Europe/Lisbon") == datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert when("2026-12-01T09:00:00", "Asia/Tokyo") == datetime(2026, 12, 1, 0, tzinfo=UTC)
    assert when("2026-07-01T09:00:00", "America/New_York") == datetime(2026, 7, 1, 13, tzinfo=UTC)


def test_a_time_that_the_clocks_jump_over_comes_as_long_after_the_jump():
    # 2026-03-29 in Berlin: 02:00 becomes 03:00.
    assert when("2026-03-29T02:30:00", "Europe/Berlin") == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_a_time_that_comes_twice_is_the_first():
    # 2026-10-25 in Berlin: 03:00 becomes 02:00.
    assert when("2026-10-25T02:30:00", "Europe/Berlin") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus", "../etc/passwd", "Europe"])
def test_whoever_has_no_zone_gets_it_by_utc(zone):
    assert when("2026-12-01T09:00:00", zone) == datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-12-01T09:00:00Z", "2026-12-01T09:00:00.5", "nine", "2026-13-01T00:00:00"]
)
def test_what_is_no_local_time_is_refused(text):
    with pytest.raises(ValueError, match=r"local time|isoformat|month"):
        local_time.parse(text)


@given(WALL, st.sampled_from(ZONES))
def test_it_is_never_before_the_first_nor_after_the_last_place_on_earth(local, zone):
    local = local.replace(microsecond=0)
    found = local_time.in_zone(local, zone)

    assert local_time.first_anywhere(local) <= found <= local_time.last_anywhere(local)


@given(WALL, st.sampled_from(ZONES))
def test_the_wall_shows_that_time_unless_it_was_jumped_over(local, zone):
    local = local.replace(microsecond=0)
    shown = to_datetime(local_time.in_zone(local, zone)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    assert shown >= local
    exists = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))
    if exists.replace(tzinfo=None) == local:
        assert shown == local
