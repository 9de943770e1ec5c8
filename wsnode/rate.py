"""How often something may happen: so many a second, and some seconds' worth of them at once. Pure.

The generic cell rate algorithm: one number to remember, no timer. That number is the caller's, so that 10,000
connections need no object each.
"""

from typing import NamedTuple


class Rate(NamedTuple):
    """`per_second` events, and those of `burst` seconds at once."""

    per_second: float
    burst: float

    def after(self, budget_at: float, now: float) -> float | None:
        """The number to remember (0.0 at first) if one more may happen at `now`; None if it is one too many."""
        due = max(budget_at, now) + 1 / self.per_second
        return due if due - now <= self.burst else None
