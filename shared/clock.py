"""The only code that reads the time, and the one spelling of instants.

Inside Redis and on the queue an instant is an integer of epoch milliseconds, on the wire RFC 3339 in UTC.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What a shell needs of time; tests pass their own."""

    def now_ms(self) -> int:
        """Wall clock, epoch milliseconds, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow; for deadlines."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Wall clock, epoch milliseconds, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that only grow; for deadlines."""
        return time.monotonic()


def rfc3339(ms: int) -> str:
    """Epoch milliseconds as RFC 3339 with milliseconds and `Z`: `2026-11-20T07:56:19.123Z`."""
    # Whole seconds and milliseconds apart: a float of epoch seconds would lose the last millisecond.
    seconds, rest = divmod(ms, 1000)
    parts = time.gmtime(seconds)
    # Not %Y: the C library leaves the zeros of a year before 1000 out.
    return f"{parts.tm_year:04d}{time.strftime('-%m-%dT%H:%M:%S', parts)}.{rest:03d}Z"


def to_datetime(ms: int) -> datetime:
    """Epoch milliseconds as an aware UTC datetime."""
    return _EPOCH + timedelta(milliseconds=ms)


def to_ms(instant: datetime) -> int:
    """An aware datetime as epoch milliseconds, rounded down."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)
