"""Find the members of a group that cannot be stored, and store all the others.

A group is one transaction, so one bad member fails 256. Splitting in halves costs about 2·log2(256) = 16 transactions
for one bad member, against 256 for trying each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

M = TypeVar("M")
R = TypeVar("R")

REFUSED_AFTER = 3
"""So many single members refused in a row, and none stored: the fault is the database's, not theirs."""


@dataclass(slots=True)
class Isolated(Generic[M, R]):
    """What became of each member: in one of the stored groups, failed with its error, or not tried at all."""

    stored: list[R] = field(default_factory=list)
    failed: list[tuple[M, Exception]] = field(default_factory=list)
    untried: list[M] = field(default_factory=list)
    stopped: Exception | None = None


class Fault(Enum):
    """Whose fault an error is: nobody here can help it (stop), perhaps the member's, surely the member's."""

    STOP = "stop"
    UNSURE = "unsure"
    MEMBER = "member"


def isolate(
    groups: Sequence[Sequence[M]], store: Callable[[Sequence[M]], R], judge: Callable[[Exception], Fault]
) -> Isolated[M, R]:
    """Store `groups` in as few transactions as it takes; `store` writes one group or raises and writes nothing."""
    found: Isolated[M, R] = Isolated()
    waiting = [group for group in reversed(groups) if group]
    members, refused = sum(len(group) for group in groups), 0
    while waiting and found.stopped is None:
        group = waiting.pop()
        try:
            found.stored.append(store(group))
        except Exception as error:  # noqa: BLE001 -- every error is judged: what to make of it is the caller's table
            fault = judge(error)
            if fault is Fault.STOP:
                found.stopped = error
                waiting.append(group)
            elif len(group) > 1:
                middle = len(group) // 2
                # The first half comes off the stack first, so that entries keep their order of acceptance.
                waiting += [group[middle:], group[:middle]]
            else:
                found.failed.append((group[0], error))
                refused += fault is Fault.UNSURE
                if refused >= REFUSED_AFTER and not found.stored and members > REFUSED_AFTER:
                    found.stopped = error
                    waiting.append([member for member, _ in found.failed])
                    found.failed.clear()
    found.untried = [member for group in reversed(waiting) for member in group]
    return found


def by_weight(members: Sequence[M], weights: Sequence[int], *, limit: int) -> list[Sequence[M]]:
    """Cut `members` into consecutive groups of at most `limit` weight; one that is heavier by itself stands alone."""
    if sum(weights) <= limit:
        return [members] if members else []
    groups: list[list[M]] = []
    total = 0
    for member, own in zip(members, weights, strict=True):
        if not groups or total + own > limit:
            groups.append([])
            total = 0
        groups[-1].append(member)
        total += own
    return list(groups)
