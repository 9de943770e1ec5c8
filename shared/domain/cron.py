"""Cron expressions in a time zone: when they fire, also where the clocks change.

Rule P. Five fields, as Debian's cron has them, with `L`, `LW` and `#` besides. Two kinds, as there:

- At a time (neither minute nor hour begins with `*`): once for each time on the wall. One that does not exist, because
  the clocks were put forward over it, fires right after the gap; one that exists twice fires the first time.
- At intervals (minute or hour begins with `*`): whenever the clock on the wall shows a match. What a gap leaves out
  does not come, and an hour that comes twice fires twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

FIELDS = 5
LENGTH = 120
"""Characters of an expression, at most."""
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


class BadCron(ValueError):
    """Not a cron expression; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression that `parse` has checked, and a zone that exists."""

    text: str
    zone: ZoneInfo

    def next(self, after: datetime) -> datetime | None:
        """The first instant after `after`, in UTC; None if there is none for 50 years."""
        if _at_a_time(self.text):
            return self._next_time(after)
        return self._next_match(after)

    def _next_time(self, after: datetime) -> datetime | None:
        """Walk times on the wall; in a repeated hour several of them may be over already."""
        for local in _matches(self.text, _wall(after, self.zone)):
            found = self._instant(local)
            if found > after:
                return found
        return None

    def _instant(self, local: datetime) -> datetime:
        """When it is `local` for the first time, or the end of the gap that swallows it."""
        # fold=0 is the offset before a change: in a gap that leads past its end, never before its begin.
        found = local.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        if _wall(found, self.zone) == local:
            return found
        return self._change(found - _DAY, found)

    def _next_match(self, after: datetime) -> datetime | None:
        """Walk time itself, from one change of the clocks to the next; between two of them wall and time agree."""
        while (local := next(_matches(self.text, _wall(after, self.zone)), None)) is not None:
            offset = _offset(after, self.zone)
            found = (local - offset).replace(tzinfo=UTC)
            step = after
            while _offset(step, self.zone) == offset and step < found:
                step = min(step + _DAY, found)
            if _offset(step, self.zone) == offset:
                return found
            # From the change on; the second before it stands for what the wall shows right then.
            after = self._change(max(after, step - _DAY), step)
            if _shows(self.text, _wall(after, self.zone)):
                return after
        return None

    def _change(self, before: datetime, after: datetime) -> datetime:
        """The second at which the clocks change between two instants."""
        offset = _offset(before, self.zone)
        while after - before > _SECOND:
            middle = before + (after - before) // 2
            middle = middle.replace(microsecond=0)
            middle = middle if middle > before else before + _SECOND
            if _offset(middle, self.zone) == offset:
                before = middle
            else:
                after = middle
        return after


def parse(text: str) -> str:
    """The expression with single spaces. Raises BadCron."""
    fields = text.split()
    if len(text) > LENGTH or not text.isascii():
        raise BadCron(f"At most {LENGTH} ASCII characters.")
    if len(fields) != FIELDS:
        raise BadCron("Five fields: minute, hour, day of month, month, day of week.")
    found = " ".join(fields)
    try:
        CronSim(found, datetime(2000, 1, 1))  # noqa: DTZ001  # only its fields are looked at
    except (CronSimError, AssertionError, ValueError) as error:
        raise BadCron(f"{str(error) or 'Not a cron expression'}.") from None
    return found


@lru_cache(maxsize=4096)
def _at_a_time(text: str) -> bool:
    minute, hour, *_ = text.split()
    return not minute.startswith("*") and not hour.startswith("*")


def _matches(text: str, after: datetime) -> Iterator[datetime]:
    """The times on a wall whose clock never changes."""
    yield from CronSim(text, after)


def _shows(text: str, local: datetime) -> bool:
    """Whether the expression names this very time."""
    return local.second == 0 and next(_matches(text, local - _SECOND), None) == local


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    # `astimezone` gives the zone of what it returns, so there is one.
    return instant.astimezone(zone).utcoffset() or timedelta()
