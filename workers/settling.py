"""After the commit of a group: publish, clear the journal, hand out the pages, write down that it was published."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from shared import logs, metrics
from shared.protocol.jobs import Page, Queue
from shared.store.publishing import mark_published
from shared.store.rescues import mark_rescued
from shared.store.rows import StoredGroup
from workers.deps import Deps
from workers.publishing import publish_frames

log = logs.get(__name__)

QUEUE_OF = {"critical": Queue.CRITICAL, "normal": Queue.NORMAL, "bulk": Queue.BULK}


def settle(deps: Deps, stored: StoredGroup, *, rescue: bool) -> None:
    """Do all that follows the commit. Raises RedisUnavailable, QueueUnavailable and errors of the database.

    The frames go first, because people wait for them; the journal entries go before `published_at`, because a copy of
    the job that still finds them would read everything back.
    """
    publish_frames(deps, stored.frames)
    deps.journal.done([*stored.stored_ids, *stored.already])
    for page in stored.pages:
        job = Page(id=page.notification_id, number=page.number, rescue=rescue)
        deps.queue.enqueue(job, queue=QUEUE_OF[page.priority])
    write_published(deps, stored.publish_ids, rescue=rescue)


def write_published(deps: Deps, ids: Sequence[str], *, rescue: bool) -> int:
    """Write `published_at`, and `rescued_at` where the reconciler brought it; tells how many lacked it.

    A transaction of its own: losing it means to publish the same bytes once more.
    """
    if not ids:
        return 0
    now_ms = deps.clock.now_ms()

    def write(session: Session) -> tuple[int, int]:
        rescued = mark_rescued(session, ids, now_ms=now_ms) if rescue else 0
        return mark_published(session, ids, now_ms), rescued

    published, rescued = deps.database.run(write)
    count_rescued(rescued, ids)
    return published


def count_rescued(number: int, ids: Sequence[str]) -> None:
    """Count and tell what only the reconciler brought on its way; each unit is a loss prevented."""
    if number:
        metrics.rescued_total.inc(number)
        log.warning("rescued", notifications=number, ids=" ".join(ids))
