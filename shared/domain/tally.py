"""How many deliveries of a notification are in each state, and for how long such a count is good enough.

Rule P. To count 100,000 deliveries takes 30 ms, so one count serves everybody who asks soon after. The longer counting
takes, the longer it serves: who watches a notification costs the database a fiftieth of its time, whatever its size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.domain.delivery import State

DIRECT: Final = 1000
"""Up to so many recipients are counted whenever somebody asks."""
ONE_MS: Final = 1000
LIST_MS: Final = 10_000
"""How old a count may be, in the answer about one notification and in a list."""
_SHARE: Final = 50


@dataclass(frozen=True, slots=True)
class Tally:
    """Deliveries by stored state, and the first instant at which one was delivered; instants are epoch milliseconds.

    `mark`: in which state the notification was then. `took_ms`: how long counting took.
    """

    states: Mapping[str, int]
    first_delivered_at: int | None
    counted_at: int
    took_ms: int
    mark: str

    def final(self) -> bool:
        """Whether no delivery moves any more."""
        return not self.states.get(State.PENDING) and not self.states.get(State.HELD)


def serves(tally: Tally, mark: str, *, now_ms: int, patience_ms: int) -> bool:
    """Whether a count may be told now, of a notification that is in the state `mark`."""
    age = now_ms - tally.counted_at
    return tally.mark == mark and 0 <= age < max(patience_ms, _SHARE * tally.took_ms)
