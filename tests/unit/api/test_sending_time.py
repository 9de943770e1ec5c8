"""When a notification is to be sent, as a sender says it."""

import pytest

from api import sending_time
from shared.errors import InvalidRequest

NOW = 1_796_115_600_000
"""2026-12-01T09:00:00Z"""
HOUR = 3_600_000
DAY_S = 86_400


def read(send_at=None, zone=None, **more):
    return sending_time.read(
        {"send_at": send_at, "send_at_zone": zone, **more}, now_ms=NOW, ahead_max_s=30 * DAY_S
    )


def refused(send_at, zone=None):
    with pytest.raises(InvalidRequest) as error:
        read(send_at, zone)
    [problem] = error.value.detail
    return problem["field"]


def test_without_a_time_it_goes_at_once():
    assert read() == (None, NOW, None)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("2026-12-01T10:00:00Z", 1), ("2026-12-01T12:00:00+02:00", 1), ("2026-12-02T09:00Z", 24)],
)
def test_an_instant_is_that_instant(text, hours):
    assert read(text) == (NOW + hours * HOUR, NOW + hours * HOUR, None)


def test_a_local_time_is_that_of_the_zone_named():
    assert read("2026-12-01T12:00:00", "Europe/Berlin") == (NOW + 2 * HOUR, NOW + 2 * HOUR, None)


def test_each_recipients_own_begins_in_the_east_and_ends_in_the_west():
    assert read("2026-12-03T09:00:00.5", "recipient") == (
        NOW + (48 - 14) * HOUR,
        NOW + (48 + 12) * HOUR,
        "2026-12-03T09:00:00",
    )


def test_what_has_begun_somewhere_begins_now():
    assert read("2026-12-01T09:00:00", "recipient") == (NOW, NOW + 12 * HOUR, "2026-12-01T09:00:00")


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("2026-12-01T08:59:59Z", None),
        ("2026-12-01T09:00:00Z", None),
        ("2020-01-01T00:00:00", "Asia/Tokyo"),
        ("2026-11-30T21:00:00", "recipient"),
    ],
)
def test_what_is_past_everywhere_goes_at_once(text, zone):
    assert read(text, zone) == (None, NOW, None)


@pytest.mark.parametrize(
    ("text", "zone", "field"),
    [
        ("2026-12-01T10:00:00", None, "send_at"),
        ("2026-12-01T10:00:00Z", "Europe/Berlin", "send_at_zone"),
        ("2026-12-01T10:00:00Z", "recipient", "send_at_zone"),
        ("2026-12-01T10:00:00", "Europe/Nowhere", "send_at_zone"),
        ("2026-12-01T10:00:00", "../../etc/passwd", "send_at_zone"),
        (None, "recipient", "send_at_zone"),
        ("tomorrow at nine", None, "send_at"),
        ("2026-13-01T00:00:00Z", None, "send_at"),
        ("2027-12-01T00:00:00Z", None, "send_at"),
        ("9999-12-31T23:59:59Z", None, "send_at"),
        ("0001-01-01T00:00:00", "recipient", "send_at"),
    ],
)
def test_what_says_no_time_or_two_is_refused(text, zone, field):
    assert refused(text, zone) == field
