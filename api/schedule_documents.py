"""Schedules and their runs as they are answered.

Rule P.
"""

from itertools import islice
from typing import Any

import orjson

from api import instants
from api.schemas.schedules import NEXT
from shared.clock import rfc3339
from shared.domain import schedules
from shared.store.schedule_runs import RunRow
from shared.store.schedules import ScheduleRow

Document = dict[str, Any]


def schedule(row: ScheduleRow) -> Document:
    """A schedule with its next instants."""
    return {
        "id": row.id,
        "name": row.name,
        "state": _state(row),
        "cron": row.cron,
        "every": row.every,
        "timezone": row.timezone,
        "start": instants.write(row.start_at),
        "end": instants.write(row.end_at),
        "catch_up": row.catch_up,
        "next": _next(row),
        "skipping": instants.write(row.skip_at),
        "notification": orjson.Fragment(row.notification),
        "sender": row.sender,
        "created_at": instants.write(row.created_at),
        "updated_at": instants.write(row.updated_at),
    }


def run(row: RunRow) -> Document:
    """One run."""
    sent = row.notification_id is not None
    return {
        "fire_at": instants.write(row.fire_at),
        "reason": row.reason,
        "notification": row.notification_id,
        "since": instants.write(row.since),
        "created_at": instants.write(row.created_at),
        "accepted_at": instants.write(row.entered_at) if sent else None,
    }


def _state(row: ScheduleRow) -> str:
    if row.paused_at is not None:
        return "paused"
    return "over" if row.next_at is None else "active"


def _next(row: ScheduleRow) -> list[str]:
    if row.due_at is None:
        return []
    coming = schedules.instants(row.timing, row.due_at - 1)
    return [rfc3339(at) for at in islice((at for at in coming if at != row.left_out), NEXT)]
