"""Whether this worker can do its work, decided from what was observed. Pure; health_server.py observes and answers.

A backlog is not red: a worker with a million entries before it is working, and taking it out would not help.
"""

from dataclasses import dataclass
from typing import Any

from workers.pool import Pool

LOOP_MAX_AGE_S = 3.5
BUSY_MAX_S = 4.0
"""A job takes milliseconds, the largest some hundred; with every child longer at one, the rest of the queue stands."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """One look at the worker. `loop_age_s` is None before the consumer ran; an error is None where it answered."""

    loop_age_s: float | None
    pool: Pool
    redis_error: str | None
    database_error: str | None
    stopping: bool = False


def judge(vitals: Vitals) -> tuple[int, dict[str, Any]]:
    """The HTTP status and body of /readiness; the first thing that is wrong is the reason."""
    redis = "connected" if vitals.redis_error is None else "disconnected"
    reason = _reason(vitals)
    if reason is None:
        return 200, {"status": "READY", "redis": redis}
    return 503, {"status": "NOT_READY", "redis": redis, "reason": reason}


def _reason(vitals: Vitals) -> str | None:
    age = vitals.loop_age_s
    found = (
        (vitals.stopping, "the worker is stopping"),
        (vitals.redis_error is not None, f"redis: {vitals.redis_error}"),
        (vitals.database_error is not None, f"database: {vitals.database_error}"),
        (age is None, "the consumer has not started"),
        (
            age is not None and age > LOOP_MAX_AGE_S,
            f"the consumer's event loop has been silent for {age or 0:.0f} s",
        ),
        (vitals.pool.living < 1, "the pool has no child"),
        (
            vitals.pool.stopped > 0,
            f"{vitals.pool.stopped} of the pool's {vitals.pool.living} children stopped",
        ),
        (
            vitals.pool.busy_s > BUSY_MAX_S,
            f"every child of the pool has been at one job for {vitals.pool.busy_s:.0f} s",
        ),
    )
    return next((reason for is_so, reason in found if is_so), None)
