"""After the commit of a group: publish, clear the journal, hand out the pages, write down that it was published."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from shared import logs, metrics
from shared.protocol.jobs import Page, Queue
from shared.protocol.journal import Entry
from shared.store.publishing import mark_published
from shared.store.rescues import mark_rescued
from shared.store.rows import PageRef, StoredGroup
from workers import cancelled, replies
from workers.deps import Deps
from workers.publishing import publish_frames

log = logs.get(__name__)

PAGES_AT_ONCE = 5
"""Pages of one job. A job costs as much beside its work as half a page; more would let critical ones wait longer."""
QUEUE_OF = {"critical": Queue.CRITICAL, "normal": Queue.NORMAL, "bulk": Queue.BULK}


def settle(deps: Deps, stored: StoredGroup, entries: Sequence[Entry], *, rescue: bool) -> None:
    """Do all that follows the commit. Raises RedisUnavailable, QueueUnavailable and errors of the database.

    The frames go first, because people wait for them; the journal entries go before `published_at`, because a copy of
    the job that still finds them would read everything back. `entries` are what the group was made of, or more.
    """
    publish_frames(deps, stored.frames)
    replies.stored(deps, entries, stored)
    if deps.journal.finish([*stored.stored_ids, *stored.already]):
        # Before the pages: of those that are not stored nothing has gone out yet.
        done = {*stored.stored_ids, *stored.already}
        cancelled.apply(deps, [entry for entry in entries if entry.id in done])
    for job in page_jobs(stored.pages, rescue=rescue):
        deps.queue.enqueue(job, queue=QUEUE_OF[job.priority])
    write_published(deps, stored.publish_ids, rescue=rescue)


def page_jobs(pages: Iterable[PageRef], *, rescue: bool) -> Iterator[Page]:
    """Jobs for these pages; such as follow one another share one."""
    first, count = None, 0
    for page in pages:
        if (
            first is not None
            and count < PAGES_AT_ONCE
            and page == replace(first, number=first.number + count)
        ):
            count += 1
            continue
        if first is not None:
            yield _page_job(first, count, rescue=rescue)
        first, count = page, 1
    if first is not None:
        yield _page_job(first, count, rescue=rescue)


def _page_job(first: PageRef, count: int, *, rescue: bool) -> Page:
    id, priority = first.notification_id, first.priority
    return Page(id=id, number=first.number, pages=count, priority=priority, rescue=rescue)


def write_published(deps: Deps, ids: Sequence[str], *, rescue: bool) -> int:
    """Write `published_at`, and `rescued_at` where the reconciler brought it; tells how many lacked it.

    A transaction of its own: losing it means to publish the same bytes once more. What was cancelled meanwhile is taken
    back once more before.
    """
    if not ids:
        return 0
    now_ms = deps.clock.now_ms()

    def write(session: Session) -> tuple[int, int]:
        rescued = mark_rescued(session, ids, now_ms=now_ms) if rescue else 0
        return mark_published(session, ids, now_ms), rescued

    published, rescued = deps.database.run(write)
    count_rescued(rescued, ids)
    return published if published == len(ids) else published + cancelled.tell_late(deps, ids)


def count_rescued(number: int, ids: Sequence[str]) -> None:
    """Count and tell what only the reconciler brought on its way; each unit is a loss prevented."""
    if number:
        metrics.rescued_total.inc(number)
        log.warning("rescued", notifications=number, ids=" ".join(ids))
