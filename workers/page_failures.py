"""What happens to a page that could not be stored: another attempt, or the end as a dead letter."""

from sqlalchemy.orm import Session

from shared import logs, metrics
from shared.protocol.jobs import Page
from shared.store import page_failures
from workers.backoff import GiveUp, next_attempt
from workers.deps import Deps
from workers.failures import describe

log = logs.get(__name__)


def count_page_failure(deps: Deps, page: Page, error: Exception) -> None:
    """Count one failed attempt of `page` and decide what follows; nothing if another copy of its job ended it.

    A page is alone in its transaction, so nobody else can be to blame. Raises errors of the database: then nothing is
    counted, and the reconciler brings the page as one that merely waits.
    """
    reason, jitter, now_ms = describe(error), deps.chance.random(), deps.clock.now_ms()

    def write(session: Session) -> tuple[int | None, bool]:
        attempt = page_failures.count(session, page.id, page.number, error=reason)
        if attempt is None:
            return None, False
        match next_attempt(attempt, attempts_max=deps.settings.attempts_max, jitter=jitter):
            case GiveUp():
                page_failures.give_up(session, page.id, page.number, now_ms=now_ms)
                return attempt, True
            case retry:
                until_ms = now_ms + round(retry.delay_s * 1000)
                page_failures.put_off(session, page.id, page.number, until_ms=until_ms)
                return attempt, False

    attempt, given_up = deps.database.run(write)
    if given_up:
        metrics.dead_letters_total.inc()
        log.error("page_given_up", id=page.id, number=page.number, attempts=attempt, error=reason)
    elif attempt is not None:
        log.warning("page_failed", id=page.id, number=page.number, attempt=attempt, error=reason)
