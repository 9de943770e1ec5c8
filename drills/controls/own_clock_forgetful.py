"""A worker with a clock that can be set, which takes a schedule that is due far ahead for one that is due now."""

from datetime import timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from drills.controls import loose_runs
from drills.controls.own_clock import app
from shared.clock import to_datetime
from shared.domain.schedules import Due, due, whole_second
from shared.models import tables as t
from shared.store import schedule_runs
from shared.store.schedules import ScheduleRow, columns, row_of

__all__ = ["app", "loose_runs"]

_FAR = timedelta(seconds=30)


def _due_or_far_ahead(session: Session, *, now_ms: int, limit: int) -> list[ScheduleRow]:
    s, now = t.schedules.c, to_datetime(now_ms)
    statement = select(*columns()).where(or_(s.next_at <= now, s.next_at > now + _FAR)).limit(limit)
    return [row_of(row) for row in session.execute(statement.with_for_update(skip_locked=True))]


def _from_now(row: ScheduleRow, now_ms: int) -> Due:
    next_at = min(row.due_at or now_ms, whole_second(now_ms))
    return due(row.timing, next_at=next_at, now=now_ms, catch_up=row.catching_up, skip_at=None)


def _always(*_: Any, **__: Any) -> bool:
    return True


vars(schedule_runs).update(lock_due=_due_or_far_ahead, decide=_from_now, anything_to_do=_always)
