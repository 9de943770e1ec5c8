"""States of a notification and the moves between them, as a complete table.

Rule P. The store moves a row only by `UPDATE ... WHERE status IN (...)`; this table says which those are.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Priority(StrEnum):
    """A queue each."""

    CRITICAL = "critical"
    NORMAL = "normal"
    BULK = "bulk"


class Status(StrEnum):
    """Where a notification is. `completed` is never stored: it is what `sent` is called once each delivery is at its
    end; nor is `held`, what it is called while all that is open is held."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    HELD = "held"
    SENDING = "sending"
    SENT = "sent"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"


MOVES: Final[dict[Status, frozenset[Status]]] = {
    Status.ACCEPTED: frozenset(
        {
            Status.SCHEDULED,
            Status.HELD,
            Status.SENDING,
            Status.SENT,
            Status.CANCELLED,
            Status.EXPIRED,
            Status.FAILED,
        }
    ),
    Status.SCHEDULED: frozenset({Status.SENDING, Status.CANCELLED, Status.EXPIRED, Status.FAILED}),
    Status.HELD: frozenset({Status.SENDING, Status.CANCELLED, Status.EXPIRED, Status.FAILED}),
    Status.SENDING: frozenset({Status.SENT, Status.CANCELLED, Status.FAILED}),
    Status.SENT: frozenset({Status.COMPLETED, Status.CANCELLED}),
    Status.FAILED: frozenset({Status.SENDING, Status.SENT, Status.EXPIRED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.EXPIRED: frozenset(),
}

TERMINAL: Final = frozenset(status for status, following in MOVES.items() if not following)


UNSENT: Final = frozenset({Status.SCHEDULED, Status.FAILED, Status.CANCELLED})
"""Of these nothing is waiting to be published, whatever their row lacks."""


def sources(target: Status) -> frozenset[Status]:
    """The states from which `target` can be reached: what a conditional UPDATE names."""
    return frozenset(status for status, following in MOVES.items() if target in following)


def shown(status: Status, *, everyone: bool, counts: Mapping[str, int]) -> Status:
    """What a sender is told: `sent` with every delivery at its end is `completed`, and if only held ones are not, it is
    `held`; to everyone has no end."""
    if status is not Status.SENT or everyone:
        return status
    if counts.get("pending", 0) + counts.get("sent", 0):
        return Status.SENT
    return Status.HELD if counts.get("held", 0) else Status.COMPLETED
