"""What is done periodically: ticks, all harmless if they come twice, late or from several beats.

No schedule of a user is here: those are due rows in the database. Celery's eta, countdown and retry are not used.
"""

from typing import Any

from shared.protocol.jobs import Due, Expire, Fire, JobArgs, Presence, Purge, Reconcile, Release

TICK_LIFE_S = 60
"""A tick that waited so long is dropped: a newer one follows, and a long outage must not end in a heap of ticks.
So far may the clocks of beat and of a worker differ."""

PERIODS_S: tuple[tuple[JobArgs, float], ...] = (
    (Due(), 1.0),
    (Release(), 1.0),
    (Reconcile(), 5.0),
    (Expire(), 10.0),
    (Purge(), 60.0),
    (Fire(), 1.0),
    (Presence(), 1.0),
)


def schedule() -> dict[str, dict[str, Any]]:
    """The table for `beat_schedule`."""
    return {
        str(args.job): {
            "task": str(args.job),
            "schedule": seconds,
            "kwargs": args.kwargs(),
            "options": {"queue": str(args.queue), "expires": TICK_LIFE_S},
        }
        for args, seconds in PERIODS_S
    }
