"""Job `page`: store and publish one page of an audience that is too big for one transaction.

The page keeps its names until it is published, so after a death at any point the job is simply run again. One that
cannot be stored is tried as often as an entry is, harms none of the other pages, and ends as a dead letter.
"""

from sqlalchemy.orm import Session

from shared import logs
from shared.protocol.envelope import AppFrames
from shared.protocol.jobs import Page
from shared.store.pages import mark_page_published, store_page
from shared.store.rescues import mark_rescued
from workers.blame import whose_fault
from workers.deps import Deps
from workers.failures import timed_out
from workers.isolation import Fault
from workers.outcome import Outcome
from workers.page_failures import count_page_failure
from workers.publishing import publish_frames
from workers.settling import count_rescued

log = logs.get(__name__)


def run(deps: Deps, args: Page) -> Outcome:
    """Store, publish, mark; nothing if another copy did. Raises what is nobody's attempt."""
    try:
        frames = _store(deps, args)
    except Exception as error:  # every error is judged: what stops everybody goes on to the shell
        if timed_out(error):
            count_page_failure(deps, args, error)
            return Outcome.TIMEOUT
        if whose_fault(deps, error) is Fault.STOP:
            raise
        count_page_failure(deps, args, error)
        return Outcome.PARTLY
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


def _store(deps: Deps, args: Page) -> AppFrames | None:
    def write(session: Session) -> AppFrames | None:
        now_ms, after_s = deps.clock.now_ms(), deps.settings.push_after
        return store_page(session, args.id, args.number, now_ms=now_ms, push_after_s=after_s)

    return deps.database.run(write)
