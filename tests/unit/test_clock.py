"""Instants keep their milliseconds in every spelling."""

from datetime import UTC, datetime

from shared.clock import rfc3339, to_datetime, to_ms


def test_milliseconds_survive_every_spelling():
    ms = 1_795_161_379_007

    assert rfc3339(ms) == "2026-11-20T07:56:19.007Z"
    assert to_datetime(ms) == datetime(2026, 11, 20, 7, 56, 19, 7000, tzinfo=UTC)
    assert to_ms(to_datetime(ms)) == ms


def test_a_year_has_four_digits():
    assert rfc3339(to_ms(datetime(697, 1, 10, 11, 2, 38, tzinfo=UTC))) == "0697-01-10T11:02:38.000Z"


def test_before_1970_rounds_down_like_after_it():
    assert rfc3339(-1) == "1969-12-31T23:59:59.999Z"
