"""Job `reconcile`: find what fell between two steps and bring it back. Ticked by beat every 5 s; any number may run.

Nothing here does the work itself: it enqueues the job that was lost, and that job counts a rescue only if it did
something. Claims (in the journal, and the attempt noted in the row) keep two reconcilers from the same entry.
"""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy.orm import Session

from shared import logs, metrics
from shared.protocol.jobs import Deliver, Page, Publish, Queue, Receipts, Reconcile
from shared.store.publishing import Unpublished, postpone, unpublished
from workers import cancelled
from workers.backoff import company
from workers.database import answers
from workers.deps import Deps
from workers.outcome import Outcome
from workers.settling import QUEUE_OF

log = logs.get(__name__)

CLAIM = 1000
"""Entries claimed in one call: about 2 ms of Redis's time."""
CLAIMS = 10
"""Claims of one tick: 10,000 entries in 5 s, more than a worker stores meanwhile."""
STALE_MS = 15_000
ROWS = 1000
PUBLISH_AT_ONCE = 100


def run(deps: Deps, _: Reconcile) -> Outcome:
    """Bring back what waits too long, and look at how much waits."""
    entries, size = deps.journal.depth()
    metrics.journal_depth.set(entries)
    metrics.journal_bytes.set(size)
    deps.leases.sweep()
    if not answers(deps.database):
        # Claiming would only push the entries' next look further away, and they are safe where they are.
        log.warning("reconcile_found_database_away", journal=entries, bytes=size)
        return Outcome.AWAY
    now_ms = deps.clock.now_ms()
    found = _journal(deps) + _rows(deps) + cancelled.sweep(deps)
    found += deps.revoking.catch_up(now_ms) + deps.revoking.restore(now_ms)
    if deps.acks.take(1):
        # Nodes ask for this job themselves; this is for the request that was lost.
        deps.queue.enqueue(Receipts())
    return Outcome.DONE if found else Outcome.NOTHING


def _journal(deps: Deps) -> int:
    """Send entries that are due to `deliver` again, in groups by priority and by how often they failed."""
    total = 0
    for _claim in range(CLAIMS):
        due = deps.journal.due(now_ms=deps.clock.now_ms(), limit=CLAIM)
        failures = deps.journal.failures([id for id, _ in due])
        for queue, ids in groups(due, failures, group_members=deps.settings.group_members):
            deps.queue.enqueue(Deliver(ids=ids, rescue=True), queue=queue)
        total += len(due)
        if len(due) < CLAIM:
            break
    if total:
        log.warning("entries_brought_back", entries=total)
    return total


def groups(
    due: Sequence[tuple[str, Queue]], failures: Sequence[int], *, group_members: int
) -> list[tuple[Queue, list[str]]]:
    """Groups of entries of one queue and one number of failures, the smaller the more often they failed. Pure."""
    alike: dict[tuple[Queue, int], list[str]] = defaultdict(list)
    for (id, queue), failed in zip(due, failures, strict=True):
        alike[queue, company(failed, group_members=group_members)].append(id)
    order = list(Queue)
    return [
        (queue, ids[start : start + size])
        for (queue, size), ids in sorted(alike.items(), key=lambda one: (order.index(one[0][0]), -one[0][1]))
        for start in range(0, len(ids), size)
    ]


def _rows(deps: Deps) -> int:
    """Send what is stored and not published to `publish`, and pages to `page`."""
    now_ms = deps.clock.now_ms()

    def claim(session: Session) -> Unpublished:
        found = unpublished(session, older_than_ms=now_ms - STALE_MS, limit=ROWS)
        postpone(session, found, now_ms=now_ms)
        return found

    with deps.database.session() as session:
        if not _any(unpublished(session, older_than_ms=now_ms - STALE_MS, limit=1)):
            # The usual case takes no write lock: on SQLite that would stop everybody else.
            return 0
    found = deps.database.run(claim)
    for start in range(0, len(found.ids), PUBLISH_AT_ONCE):
        deps.queue.enqueue(Publish(ids=found.ids[start : start + PUBLISH_AT_ONCE]))
    for page in found.pages:
        job = Page(id=page.notification_id, number=page.number, rescue=True)
        deps.queue.enqueue(job, queue=QUEUE_OF[page.priority])
    if _any(found):
        log.warning("unpublished_brought_back", notifications=len(found.ids), pages=len(found.pages))
    return len(found.ids) + len(found.pages)


def _any(found: Unpublished) -> bool:
    return bool(found.ids or found.pages)
