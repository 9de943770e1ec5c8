"""Job `page`: store and publish a few pages of an audience that is too big for one transaction.

A page keeps its names until it is published, so after a death at any point the job is simply run again. One that
cannot be stored is tried as often as an entry is, harms none of the other pages, and ends as a dead letter.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from shared import logs
from shared.protocol.jobs import Page, Queue
from shared.store.pages import Cancelled, StoredPage, mark_pages_published, store_page
from shared.store.rescues import mark_rescued
from workers import replies
from workers.blame import whose_fault
from workers.cancelled import end_pages
from workers.deps import Deps
from workers.failures import timed_out
from workers.isolation import Fault
from workers.outcome import Outcome
from workers.page_failures import count_page_failure
from workers.publishing import publish_page
from workers.settling import PAGES_AT_ONCE, QUEUE_OF, count_rescued

log = logs.get(__name__)

SLICE_S = 0.1
"""A job begins no further page after this time, so that others in its queue need not wait long; a new job does."""


@dataclass(slots=True)
class _Run:
    """What becomes of the pages of a job. `left`: the first that was not begun, or None; `stopped`: why no more was
    tried, if that is no page's own fault."""

    stored: list[tuple[int, Future[None]]] = field(default_factory=list)
    outcome: Outcome = Outcome.NOTHING
    left: int | None = None
    stopped: Exception | None = None


def run(deps: Deps, args: Page) -> Outcome:
    """Store, publish, mark; nothing if another copy did. Raises what is nobody's attempt."""
    # What the broker says is bounded again here: a job must end.
    end = args.number + min(args.pages, PAGES_AT_ONCE)
    # While the database stores a page, the one before it is published.
    with ThreadPoolExecutor(1, "publish") as beside:
        found = _store(deps, args, end, lambda page: beside.submit(publish_page, deps, page))
    if found.stored:
        _mark(deps, args, [number for number, sent in found.stored if sent.exception() is None])
    if found.left is not None:
        rest = Page(
            id=args.id, number=found.left, pages=end - found.left, priority=args.priority, rescue=args.rescue
        )
        deps.queue.enqueue(rest, queue=QUEUE_OF.get(args.priority, Queue.NORMAL))
    for _, sent in found.stored:
        sent.result()
    if found.stopped is not None:
        raise found.stopped
    return found.outcome


def _store(deps: Deps, args: Page, end: int, publish: Callable[[StoredPage], Future[None]]) -> _Run:
    """Store page after page, each in a transaction of its own, until the time is up."""
    found, until = _Run(), deps.clock.monotonic() + SLICE_S
    for number in range(args.number, end):
        if number > args.number and deps.clock.monotonic() >= until:
            found.left = number
            break
        try:
            stored = _store_one(deps, args.id, number)
        except Exception as error:  # noqa: BLE001 -- every error is judged: what stops everybody goes on to the shell
            late = timed_out(error)
            if not late and whose_fault(deps, error) is Fault.STOP:
                found.stopped = error
                break
            count_page_failure(deps, Page(id=args.id, number=number), error)
            found.outcome = Outcome.TIMEOUT if late else Outcome.PARTLY
            if late:
                found.left = number + 1 if number + 1 < end else None
                break
            continue
        if stored is not None:
            found.stored.append((number, publish(stored)))
            if found.outcome is Outcome.NOTHING:
                found.outcome = Outcome.DONE
    return found


def _store_one(deps: Deps, id: str, number: int) -> StoredPage | None:
    def write(session: Session) -> StoredPage | None:
        now_ms, after_s = deps.clock.now_ms(), deps.settings.push_after
        return store_page(session, id, number, now_ms=now_ms, push_after_s=after_s)

    return deps.database.run(write)


def _mark(deps: Deps, args: Page, numbers: Sequence[int]) -> None:
    """Write down that pages were published, all in one transaction."""
    if not numbers:
        return
    now_ms = deps.clock.now_ms()

    def mark(session: Session) -> tuple[bool, int]:
        rescued = mark_rescued(session, [args.id], now_ms=now_ms) if args.rescue else 0
        return mark_pages_published(session, args.id, numbers, now_ms), rescued

    try:
        last, rescued = deps.database.run(mark)
    except Cancelled:
        last, rescued = end_pages(deps, args.id, numbers), 0
    count_rescued(rescued, [args.id])
    if last:
        replies.last_page(deps, args.id)
    log.info("pages_stored", id=args.id, numbers=numbers, last=last, rescue=args.rescue)
