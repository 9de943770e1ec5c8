"""Job `page`: store and publish one page of an audience that is too big for one transaction.

The page keeps its names until it is published, so after a death at any point the job is simply run again.
"""

from sqlalchemy.orm import Session

from shared import logs
from shared.protocol.jobs import Page
from shared.store.pages import mark_page_published, store_page
from shared.store.rescues import mark_rescued
from workers.deps import Deps
from workers.outcome import Outcome
from workers.publishing import publish_frames
from workers.settling import count_rescued

log = logs.get(__name__)


def run(deps: Deps, args: Page) -> Outcome:
    """Store, publish, mark; nothing if another copy did."""
    after_s = deps.settings.push_after
    frames = deps.database.run(
        lambda session: store_page(
            session, args.id, args.number, now_ms=deps.clock.now_ms(), push_after_s=after_s
        )
    )
    if frames is None:
        return Outcome.NOTHING
    publish_frames(deps, [frames])
    now_ms = deps.clock.now_ms()

    def mark(session: Session) -> tuple[bool, int]:
        rescued = mark_rescued(session, [args.id], now_ms=now_ms) if args.rescue else 0
        return mark_page_published(session, args.id, args.number, now_ms), rescued

    last, rescued = deps.database.run(mark)
    count_rescued(rescued, [args.id])
    log.info(
        "page_stored",
        id=args.id,
        number=args.number,
        users=len(frames.records),
        last=last,
        rescue=args.rescue,
    )
    return Outcome.DONE
