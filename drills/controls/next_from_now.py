"""A worker that fires what is due once, and counts on from when it happened to look."""

from shared.domain.schedules import Due, Fire, Reason, whole_second
from shared.store import schedule_runs
from shared.store.schedules import ScheduleRow
from workers.celery_app import app

__all__ = ["app"]


def _from_now(row: ScheduleRow, now_ms: int) -> Due:
    step = (row.every or 1) * 1000
    end = row.timing.end
    following = now_ms + step
    return Due(
        (Fire(whole_second(row.due_at or now_ms), Reason.DUE),),
        None if end is not None and following > end else following,
    )


vars(schedule_runs)["decide"] = _from_now
