"""A time on the wall, such as nine in the morning, and when that is in each zone.

Rule P. Where clocks are put forward a time may not exist: 02:30 becomes 03:30, as RFC 5545 section 3.3.5 says. Where
they are put back a time exists twice: the first counts.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FORMAT_LENGTH: Final = 19
"""Characters of `2026-12-01T09:00:00`."""
_EAST: Final = timedelta(hours=14)
_WEST: Final = timedelta(hours=12)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse(text: str) -> datetime:
    """A local time as it is stored: no zone, whole seconds. Raises ValueError."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is not None or found.microsecond:
        raise ValueError("not a local time of whole seconds")
    return found


def in_zone(local: datetime, zone: str | None, *, otherwise: str = "UTC") -> int:
    """When it is `local` in a zone, epoch milliseconds; `otherwise` stands in for a zone that is missing or unknown."""
    info = (_zone(zone) if zone else None) or _zone(otherwise) or UTC
    # fold=0 means both rules: the offset before the change.
    return _ms(local.replace(tzinfo=info, fold=0))


def first_anywhere(local: datetime) -> int:
    """When it is `local` for the first time on Earth (UTC+14), epoch milliseconds."""
    return _ms(local.replace(tzinfo=UTC) - _EAST)


def last_anywhere(local: datetime) -> int:
    """When it is `local` for the last time on Earth (UTC-12), epoch milliseconds."""
    return _ms(local.replace(tzinfo=UTC) + _WEST)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # OSError: a name of a folder or with strange characters.
        return None


def _ms(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(milliseconds=1)
