"""What becomes of a delivery when it is stored, or released: it goes, it is held, or it says why not.

Rule P. The order is fixed and documented: cancelled, expired, held for the recipient's local time, over a frequency cap
(held or dropped), else it goes. `critical` passes caps: who asks leaves them out.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from shared.domain.caps import Judged, Verdict
from shared.domain.delivery import State


class Reason(StrEnum):
    """Why a delivery is in its state, where the state alone does not say it."""

    LOCAL_TIME = "local_time"
    """Held until it is time where the recipient is."""
    FREQUENCY_CAP = "frequency_cap"
    """Held or skipped: the recipient has had so many. Followed by ":" and the id of the cap."""
    CANCELLED = "cancelled"
    """Cancelled by its sender before it went out."""
    RETRACTED = "retracted"
    """Cancelled by its sender when it was out, or may have been."""
    REPLACED = "replaced"
    """Cancelled: a newer one with the same collapse key took its place."""


class Fate(NamedTuple):
    """`held_until` is epoch milliseconds."""

    state: State
    reason: str | None = None
    held_until: int | None = None


GO: Final = Fate(State.PENDING)
EXPIRED: Final = Fate(State.EXPIRED)
CANCELLED: Final = Fate(State.CANCELLED, Reason.CANCELLED)
REPLACED: Final = Fate(State.CANCELLED, Reason.REPLACED)


def decide(
    *,
    now_ms: int,
    expired: bool,
    cancelled: bool = False,
    local_ms: int | None = None,
    capped: Callable[[], Judged] | None = None,
) -> Fate:
    """The fate of one delivery. `local_ms`: when it is time where the recipient is. `capped` takes from the
    recipient's allowance, so it is asked only of what would go otherwise."""
    if cancelled:
        return CANCELLED
    if expired:
        return EXPIRED
    if local_ms is not None and local_ms > now_ms:
        return Fate(State.HELD, Reason.LOCAL_TIME, local_ms)
    if capped is None:
        return GO
    return _capped(capped())


def _capped(judged: Judged) -> Fate:
    if judged.verdict is Verdict.GO:
        return GO
    state = State.SKIPPED if judged.verdict is Verdict.DROP else State.HELD
    return Fate(state, f"{Reason.FREQUENCY_CAP}:{judged.cap_id}", judged.until_ms)
