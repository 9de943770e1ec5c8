"""Recurring schedules: when they fire, and what becomes of instants that passed while nobody looked.

Rule P. Instants are whole seconds in epoch milliseconds. The instants of a schedule follow from its timing alone, never
from when it fired last: so whoever computes them, however late and however often, finds the same ones.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import takewhile
from typing import Final
from zoneinfo import ZoneInfo

from shared.clock import to_datetime, to_ms
from shared.domain.cron import Cron

LATE_MS: Final = 60_000
"""An instant that is looked at within this time is late and fires; an older one was missed, and `catch_up` decides."""
CATCH_UP_MAX: Final = 1000
"""So many missed instants fire at most, the newest ones; of the older ones a run says that they were left out."""
EVERY_MAX: Final = 31_622_400
"""Seconds between two instants, at most: a leap year."""
_MINUTE_MS: Final = 60_000


class CatchUp(StrEnum):
    """What becomes of missed instants: none fires, the latest one fires, all fire."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


class Reason(StrEnum):
    """Why there is a run; with `skipped` nothing was sent."""

    DUE = "due"
    CATCH_UP = "catch_up"
    RUN_NOW = "run_now"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a schedule fires: by `cron` in `timezone`, or each `every` seconds from `anchor` on. `start` and `end` are
    the first and the last instant at which it may."""

    cron: str | None
    every: int | None
    timezone: str
    anchor: int
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Fire:
    """An instant that is dealt with. `since`: with reason `skipped`, the first of those that were left out up to it."""

    at: int
    reason: Reason
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done now, in order of the instants, and the next instant; None if it is over."""

    fires: tuple[Fire, ...]
    next: int | None


def whole_second(ms: int) -> int:
    """The second in which `ms` lies."""
    return ms - ms % 1000


def next_after(timing: Timing, after: int) -> int | None:
    """The first instant after `after`; None if there is none."""
    if timing.start is not None:
        after = max(after, timing.start - 1)
    if timing.every is not None:
        step = timing.every * 1000
        found: int | None = timing.anchor + max(0, (after - timing.anchor) // step + 1) * step
    else:
        instant = Cron(timing.cron or "", _zone(timing.timezone)).next(to_datetime(after))
        found = None if instant is None else to_ms(instant)
    if found is None or (timing.end is not None and found > timing.end):
        return None
    return found


def instants(timing: Timing, after: int) -> Iterator[int]:
    """All instants after `after`, in order."""
    found = next_after(timing, after)
    while found is not None:
        yield found
        found = next_after(timing, found)


def due(timing: Timing, *, next_at: int, now: int, catch_up: CatchUp, skip_at: int | None) -> Due:
    """What becomes of the instants from `next_at` to `now`; nothing happens at `skip_at`."""
    edge = now - LATE_MS
    late = takewhile(lambda at: at <= now, instants(timing, max(next_at, edge) - 1))
    fires = [Fire(at, Reason.DUE) for at in late]
    if next_at < edge:
        fires = _missed(timing, next_at, edge, catch_up) + fires
    told = tuple(Fire(one.at, Reason.SKIPPED, one.at) if one.at == skip_at else one for one in fires)
    return Due(told, next_after(timing, now))


def _missed(timing: Timing, first: int, before: int, catch_up: CatchUp) -> list[Fire]:
    count = {CatchUp.SKIP: 0, CatchUp.ONCE: 1, CatchUp.ALL: CATCH_UP_MAX}[catch_up]
    found = _newest(timing, first, before, count + 1)
    caught = [Fire(at, Reason.CATCH_UP) for at in found[len(found) - min(count, len(found)) :]]
    left_out = found[: len(found) - len(caught)]
    return [Fire(left_out[-1], Reason.SKIPPED, first), *caught] if left_out else caught


def _newest(timing: Timing, first: int, before: int, count: int) -> list[int]:
    """The newest `count` instants from `first` to before `before`; looks ever further back, not at all of them."""
    width = count * (_MINUTE_MS if timing.every is None else timing.every * 1000)
    while True:
        begin = max(first, before - width)
        window = takewhile(lambda at: at < before, instants(timing, begin - 1))
        found = deque(window, maxlen=count)
        if len(found) == count or begin == first:
            return list(found)
        width *= 2


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
