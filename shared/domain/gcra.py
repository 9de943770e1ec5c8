"""How often something may happen: so many in a while, all of them at once if nothing happened before.

Rule P. The generic cell rate algorithm: one number to remember, the theoretical arrival time (tat), no timer and no
list of what happened. What fell out of the rule after a while frees its places one by one, not all at a stroke; within
any stretch of time no more than the limit and what came back meanwhile can happen.

Everything is in whole microseconds: up to the year 2255 a double of Lua holds them exactly, so that
shared/redis/lua/gcra.lua decides the same to the last digit (a test holds the two together).
"""

from collections.abc import Sequence
from typing import NamedTuple


class Policy(NamedTuple):
    """`limit` events in `per_ms` milliseconds, that many at once at most."""

    limit: int
    per_ms: int

    @property
    def interval(self) -> int:
        """Microseconds until one event is free again; rounded up, so that it is never more often than told."""
        return -(-self.per_ms * 1000 // self.limit)

    @property
    def window(self) -> int:
        """Microseconds until all are free again."""
        return self.interval * self.limit


class Taken(NamedTuple):
    """What became of an attempt. `tat` is to be remembered (as it was, if refused).

    `retry`: microseconds until the same attempt would be allowed; 0 if it was, None if it never can be, because it is
    bigger than the limit. `remaining`: events that would still be allowed now. `reset`: microseconds until all are.
    """

    allowed: bool
    tat: int
    retry: int | None
    remaining: int
    reset: int


def take(policy: Policy, tat: int, now: int, cost: int = 1) -> Taken:
    """Let `cost` events happen at `now` if the policy allows all of them. `tat` is 0 at first."""
    interval, window = policy.interval, policy.window
    start = max(tat, now)
    late = start + interval * cost - now - window
    if late <= 0:
        ahead = start + interval * cost - now
        return Taken(
            allowed=True, tat=now + ahead, retry=0, remaining=(window - ahead) // interval, reset=ahead
        )
    ahead = start - now
    remaining = max(0, window - ahead) // interval
    retry = late if cost <= policy.limit else None
    return Taken(allowed=False, tat=tat, retry=retry, remaining=remaining, reset=ahead)


def take_all(asked: Sequence[tuple[Policy, int]], now: int, cost: int = 1) -> list[Taken]:
    """The same of several policies with their tats: all of them allow it, or nothing is taken of any.

    Of one that would have allowed it is told how it stands.
    """
    found = [take(policy, tat, now, cost) for policy, tat in asked]
    if all(taken.allowed for taken in found):
        return found
    return [
        take(policy, tat, now, 0) if taken.allowed else taken
        for (policy, tat), taken in zip(asked, found, strict=True)
    ]


def charge(policy: Policy, tat: int, now: int, cost: int) -> int:
    """The tat after `cost` events that nobody can refuse any more.

    What is overdrawn has to be waited for; one window at most, however much it was.
    """
    return min(max(tat, now) + policy.interval * cost, max(tat, now + 2 * policy.window))
