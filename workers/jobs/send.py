"""Job `send`: what was scheduled is due: store it as what it is now, its audience as it is now, and publish it.

It is taken out of the scheduled ones and stored in one transaction, so a second copy of this job finds nothing; what
was committed and not published is found by the reconciler as always.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from shared import logs, metrics
from shared.protocol.jobs import Send
from shared.store import scheduled
from shared.store.groups import send_scheduled
from shared.store.rows import StoredGroup
from workers.backoff import GiveUp, next_attempt
from workers.blame import whose_fault
from workers.deps import Deps
from workers.failures import describe, timed_out
from workers.isolation import isolate
from workers.outcome import Outcome
from workers.quotas import before_sending, charge_sent
from workers.settling import settle

log = logs.get(__name__)


def run(deps: Deps, args: Send) -> Outcome:
    """Send, publish, and count what failed; its next attempt is in its row."""
    before = before_sending(deps, args.ids)
    found = isolate([args.ids], lambda ids: _store(deps, ids), lambda error: whose_fault(deps, error))
    for stored in found.stored:
        settle(deps, stored, [], rescue=False)
        charge_sent(deps, before, stored.stored_ids)
    for id, error in found.failed:
        _count_failure(deps, id, error)
    sent = sum(len(stored.stored_ids) for stored in found.stored)
    log.info("scheduled_sent", sent=sent, failed=len(found.failed), untried=len(found.untried))
    if found.stopped is not None and timed_out(found.stopped):
        _narrow(deps, args.ids, found.stopped)
        return Outcome.TIMEOUT
    if found.stopped is not None:
        # They are due again when the claim has run out.
        return Outcome.AWAY
    if found.failed:
        return Outcome.PARTLY
    return Outcome.DONE if sent else Outcome.NOTHING


def _store(deps: Deps, ids: Sequence[str]) -> StoredGroup:
    def write(session: Session) -> StoredGroup:
        return send_scheduled(
            session,
            ids,
            now_ms=deps.clock.now_ms(),
            push_after_s=deps.settings.push_after,
            page_size=deps.settings.page_size,
        )

    return deps.database.run(write)


def _narrow(deps: Deps, ids: Sequence[str], error: Exception) -> None:
    """A group that ran out of time names no culprit: each half is tried by itself, down to a single one."""
    if len(ids) == 1:
        _count_failure(deps, ids[0], error)
        return
    middle = len(ids) // 2
    for half in (ids[:middle], ids[middle:]):
        deps.queue.enqueue(Send(ids=list(half)))


def _count_failure(deps: Deps, id: str, error: Exception) -> None:
    reason, jitter, now_ms = describe(error), deps.chance.random(), deps.clock.now_ms()

    def write(session: Session) -> tuple[int | None, bool]:
        before = scheduled.attempts_of(session, id)
        if before is None:
            return None, False
        match next_attempt(before + 1, attempts_max=deps.settings.attempts_max, jitter=jitter):
            case GiveUp():
                return before + 1, scheduled.fail(
                    session, id, error=reason, attempts=before + 1, now_ms=now_ms
                )
            case retry:
                until_ms = now_ms + round(retry.delay_s * 1000)
                scheduled.put_off(session, id, attempts=before + 1, until_ms=until_ms)
                return before + 1, False

    attempt, given_up = deps.database.run(write)
    if given_up:
        metrics.dead_letters_total.inc()
        log.error("notification_failed", id=id, attempts=attempt, error=reason)
    elif attempt is not None:
        log.warning("scheduled_failed", id=id, attempt=attempt, error=reason)
