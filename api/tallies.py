"""How many deliveries of a notification are in each state, without counting 100,000 each time that somebody asks.

Rule U. Small audiences are counted. Of big ones a count is kept in Redis and serves as long as shared.domain.tally
says; one caller at a time counts anew and the others take the last count meanwhile. Without Redis everybody counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy.orm import Session

from shared import logs
from shared.clock import Clock, to_datetime, to_ms
from shared.domain.tally import DIRECT, LIST_MS, ONE_MS, Tally, serves
from shared.redis.client import RedisUnavailable
from shared.redis.tallies import Tallies
from shared.store import notifications, tallies
from shared.store.notifications import NotificationRow
from shared.store.tallies import Counted

log = logs.get(__name__)

BUDGET: Final = 300_000
"""Deliveries that are counted for one page of a list, besides those of small audiences."""


class Counting:
    """Counts for whoever asks about notifications of one app."""

    def __init__(self, kept: Tallies, clock: Clock) -> None:
        self._kept = kept
        self._clock = clock

    def one(self, session: Session, row: NotificationRow) -> Tally:
        """Count one."""
        if not _big(row):
            return self._counted(session, [row])[row.id]
        last = self._last([row.id]).get(row.id)
        if last is not None and (self._serves(row, last, ONE_MS) or not self._begin(row, last)):
            return last
        return self._count([row], session)[row.id]

    def many(self, session: Session, rows: Sequence[NotificationRow]) -> dict[str, Tally]:
        """Count some; left out is what was never counted and would take this answer too long."""
        found = self._counted(session, [row for row in rows if not _big(row)])
        big = [row for row in rows if _big(row)]
        last = self._last([row.id for row in big])
        old: list[NotificationRow] = []
        for row in big:
            if (tally := last.get(row.id)) and tally.mark == notifications.mark(row):
                found[row.id] = tally
            if row.id not in found or not self._serves(row, last[row.id], LIST_MS):
                old.append(row)
        # What nobody has counted yet comes first, so that a page that ends at such a one is followed by a longer one.
        return found | self._count(_affordable(sorted(old, key=lambda row: row.id in found)), session)

    def _serves(self, row: NotificationRow, tally: Tally, patience_ms: int) -> bool:
        mark = notifications.mark(row)
        if tally.mark == mark and row.published_at is not None and not row.everyone and tally.final():
            return True
        return serves(tally, mark, now_ms=self._clock.now_ms(), patience_ms=patience_ms)

    def _count(self, rows: Sequence[NotificationRow], session: Session) -> dict[str, Tally]:
        """Count big ones, each by itself but those to everyone at once, and keep it."""
        found: dict[str, Tally] = {}
        everyones = [row for row in rows if row.everyone]
        for group in [*([row] for row in rows if not row.everyone), *([everyones] if everyones else [])]:
            found |= self._counted(session, group)
        if found:
            try:
                self._kept.put(found)
            except RedisUnavailable as error:
                log.warning("tally_not_kept", reason=error.message)
        return found

    def _counted(self, session: Session, rows: Iterable[NotificationRow]) -> dict[str, Tally]:
        rows = list(rows)
        if not rows:
            return {}
        begun, now_ms = self._clock.monotonic(), self._clock.now_ms()
        counted = tallies.count(session, rows)
        took_ms = int((self._clock.monotonic() - begun) * 1000)
        return {row.id: _tally(counted[row.id], now_ms, took_ms, notifications.mark(row)) for row in rows}

    def _last(self, ids: Sequence[str]) -> Mapping[str, Tally]:
        if not ids:
            return {}
        try:
            return self._kept.get(ids)
        except RedisUnavailable:
            return {}

    def _begin(self, row: NotificationRow, last: Tally) -> bool:
        """Whether to count now: not while somebody else does, unless the last count is of another time."""
        if last.mark != notifications.mark(row):
            return True
        try:
            return self._kept.begin(row.id)
        except RedisUnavailable:
            return True


def counted_of(tally: Tally) -> Counted:
    """The count as the store takes it."""
    first = tally.first_delivered_at
    return Counted(tally.states, None if first is None else to_datetime(first))


def _tally(counted: Counted, now_ms: int, took_ms: int, mark: str) -> Tally:
    first = counted.first_delivered_at
    return Tally(counted.states, None if first is None else to_ms(first), now_ms, took_ms, mark)


def _big(row: NotificationRow) -> bool:
    """To everyone it is the users of the app that are counted, however many these are."""
    return row.everyone or row.recipients > DIRECT


def _affordable(rows: Iterable[NotificationRow]) -> list[NotificationRow]:
    """As many as one answer may count, the first in any case."""
    found: list[NotificationRow] = []
    spent = 0
    for row in rows:
        if not row.everyone:
            spent += row.recipients
        if spent > BUDGET and found:
            break
        found.append(row)
    return found
