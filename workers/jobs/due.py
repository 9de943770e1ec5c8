"""Job `due`: find scheduled notifications whose time has come, and hand them out. Ticked by beat each second.

A claim moves `due_at` on, so any number of these may run; what is claimed and, for whatever reason, not sent is due
again a minute later. The work itself is done by `send`, on the queue of each one's priority.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from shared import logs, metrics
from shared.protocol.jobs import Due, Queue, Send
from shared.store import scheduled
from shared.store.scheduled import Due as DueRow
from workers.deps import Deps
from workers.isolation import by_weight
from workers.outcome import Outcome
from workers.settling import QUEUE_OF

log = logs.get(__name__)

CLAIM = 1000
TICK_S = 3.0
"""A tick ends after so long; what is left waits for the next one."""
NAMES_MAX = 2000
"""As in workers.jobs.deliver: named receivers of one transaction."""


def run(deps: Deps, _: Due) -> Outcome:
    """Claim and hand out for three seconds at most."""
    with deps.database.session() as session:
        if not scheduled.any_due(session, deps.clock.now_ms()):
            # The usual case takes no write lock: on SQLite that would stop everybody else.
            return Outcome.NOTHING
    end, total = deps.clock.monotonic() + TICK_S, 0
    while deps.clock.monotonic() < end:
        found = deps.database.run(lambda session: scheduled.claim(session, deps.clock.now_ms(), limit=CLAIM))
        for queue, ids in _groups(
            found, members=deps.settings.group_members, page_size=deps.settings.page_size
        ):
            deps.queue.enqueue(Send(ids=ids), queue=queue)
        total += len(found)
        if len(found) < CLAIM:
            break
    metrics.due_total.inc(total)
    log.info("due_handed_out", notifications=total)
    return Outcome.DONE if total else Outcome.NOTHING


def _weight(one: DueRow, page_size: int) -> int:
    """Receivers that it may add to a transaction; one that needs pages writes only those there."""
    if one.open:
        return page_size
    return one.recipients if 0 < one.recipients <= page_size else 1


def _groups(found: Sequence[DueRow], *, members: int, page_size: int) -> Iterator[tuple[Queue, list[str]]]:
    """Groups of one priority, each small enough for a transaction; the more urgent first."""
    alike: dict[Queue, list[DueRow]] = defaultdict(list)
    for one in found:
        alike[QUEUE_OF[one.priority]].append(one)
    for queue in sorted(alike, key=list(Queue).index):
        weights = [_weight(one, page_size) for one in alike[queue]]
        for group in by_weight(alike[queue], weights, limit=NAMES_MAX):
            for start in range(0, len(group), members):
                yield queue, [one.id for one in group[start : start + members]]
