"""States of a delivery and the moves between them, as a complete table.

Rule P. Moved only by conditional UPDATE under the lock of the user's stream; "sent" is not a state but what a pending
delivery is called once its notification is published.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where one notification is for one user."""

    PENDING = "pending"
    HELD = "held"
    SKIPPED = "skipped"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


SENT: Final = "sent"
"""Shown for a pending delivery that was published and not acknowledged."""

MOVES: Final[dict[State, frozenset[State]]] = {
    State.PENDING: frozenset({State.HELD, State.DELIVERED, State.EXPIRED, State.CANCELLED, State.FAILED}),
    State.HELD: frozenset({State.PENDING, State.SKIPPED, State.EXPIRED, State.CANCELLED}),
    State.FAILED: frozenset({State.PENDING, State.DELIVERED, State.EXPIRED, State.CANCELLED}),
    State.DELIVERED: frozenset({State.CANCELLED}),
    State.SKIPPED: frozenset(),
    State.EXPIRED: frozenset(),
    State.CANCELLED: frozenset(),
}

TERMINAL: Final = frozenset({State.DELIVERED, State.SKIPPED, State.EXPIRED, State.CANCELLED})
"""Where a delivery has ended; a delivered one may still be taken back."""

OPEN: Final = frozenset(state for state, following in MOVES.items() if State.CANCELLED in following)
"""What a cancellation finds."""

HIDDEN: Final = frozenset({State.SKIPPED, State.EXPIRED, State.CANCELLED})
"""What a user does not see: not in the inbox, and only a position in a replay."""


def shown(state: State, *, published: bool) -> str:
    """What a sender is told."""
    return SENT if state is State.PENDING and published else state.value


def stored(word: str) -> tuple[State, bool | None]:
    """The stored state behind a word of the interface, and whether it must be published (None: either).

    Raises ValueError for a word that is none.
    """
    if word == SENT:
        return State.PENDING, True
    state = State(word)
    return state, False if state is State.PENDING else None
