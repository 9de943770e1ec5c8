"""How a job ended, as metrics and Flower show it. No outcome is an exception: Celery would only write it down."""

from enum import StrEnum


class Outcome(StrEnum):
    """The value of the label `outcome` of jobs_total, and what Flower shows as the result."""

    DONE = "done"
    NOTHING = "nothing"
    """There was nothing left to do: another copy of the job did it."""
    PARTLY = "partly"
    """Some members, or the page, failed; their attempts are counted and they come back."""
    AWAY = "away"
    """The database or Redis did not answer; nothing was written, the reconciler brings it back."""
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    FAILED = "failed"
