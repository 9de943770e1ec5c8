"""A worker that reads what is due without a lock, and whose runs have no key.

It rests a moment in between, as on a busy database: so it does not depend on luck whether another one looks just then.
"""

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from drills.controls import loose_runs
from shared.clock import to_datetime
from shared.models import tables as t
from shared.store import schedule_runs
from shared.store.schedules import ScheduleRow, columns, row_of
from workers.celery_app import app

__all__ = ["app", "loose_runs"]

_REST = text("SELECT pg_sleep(random() * 0.5)")


def _unlocked(session: Session, *, now_ms: int, limit: int) -> list[ScheduleRow]:
    statement = select(*columns()).where(t.schedules.c.next_at <= to_datetime(now_ms)).limit(limit)
    found = [row_of(row) for row in session.execute(statement)]
    session.execute(_REST)
    return found


vars(schedule_runs)["lock_due"] = _unlocked
