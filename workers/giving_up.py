"""What happens to entries that could not be stored: another attempt, a failed notification, or the dead list."""

from shared import logs, metrics
from shared.protocol.journal import Entry
from shared.store.rescues import store_failed
from workers import replies
from workers.backoff import LONGEST_S, GiveUp, next_attempt
from workers.deps import Deps
from workers.failures import describe, judge
from workers.isolation import Fault

log = logs.get(__name__)


def count_failure(deps: Deps, entry: Entry, error: Exception, *, alone: bool) -> None:
    """Count one failed attempt of `entry` and decide what follows.

    `alone` says that nobody else can be to blame: an entry that failed in company is never given up for it.
    """
    attempt = deps.journal.failures([entry.id])[0] + 1
    reason = describe(error)
    named = {"id": entry.id, "app": entry.app, "request_id": entry.request_id}
    log.warning("entry_failed", attempt=attempt, error=reason, **named)
    match next_attempt(attempt, attempts_max=deps.settings.attempts_max, jitter=deps.chance.random()):
        case GiveUp() if alone and _give_up(deps, entry, reason, attempt):
            metrics.dead_letters_total.inc()
            replies.failed(deps, entry)
            log.error("notification_failed", attempts=attempt, error=reason, **named)
            return
        case GiveUp():
            delay_s = LONGEST_S
        case retry:
            delay_s = retry.delay_s
    deps.journal.fail(entry.id, entry.priority, next_look_ms=deps.clock.now_ms() + round(delay_s * 1000))


def _give_up(deps: Deps, entry: Entry, reason: str, attempt: int) -> bool:
    """Store the entry as failed and clear it; False if the database takes nothing, so that it is nobody's fault.

    What cannot be stored as it stands is kept whole in the journal's dead list, and leaves a row without its content.
    """
    match _store(deps, entry, reason, attempt, blank=False):
        case None:
            deps.journal.done([entry.id])
            return True
        case Fault.MEMBER:
            if _store(deps, entry, reason, attempt, blank=True) in (Fault.STOP, Fault.UNSURE):
                return False
            deps.journal.bury(entry.id, reason)
            return True
        case _:
            return False


def _store(deps: Deps, entry: Entry, reason: str, attempt: int, *, blank: bool) -> Fault | None:
    """Write the failed row; None if that went well, else whose fault it was."""
    now_ms = deps.clock.now_ms()
    try:
        deps.database.run(
            lambda session: store_failed(
                session, entry, error=reason, attempts=attempt, now_ms=now_ms, blank=blank
            )
        )
    except Exception as error:  # noqa: BLE001 -- every error is judged: what to make of it is the caller's table
        log.warning("failed_row_refused", id=entry.id, blank=blank, error=describe(error))
        return judge(error, database_answers=True)
    return None
