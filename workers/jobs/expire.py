"""Job `expire`: deliveries that outlived their notification unacknowledged leave the numbers of the inbox.

Ticked by beat every 10 s. In small transactions, so that a big audience that expires at once holds no lock for long.
Also what was cancelled and is not yet taken back, because whoever was at it died, gets a new job here.
"""

from sqlalchemy.orm import Session

from shared import logs
from shared.protocol.jobs import Cancel, Expire
from shared.store import retractions
from shared.store.expiry import expire_due
from workers.deps import Deps
from workers.outcome import Outcome

log = logs.get(__name__)

STEPS = 20
UNTOUCHED_MS = 60_000
"""So long after the last step of a cancellation somebody else goes on."""
AT_ONCE = 100


def run(deps: Deps, _: Expire) -> Outcome:
    """Expire in at most 20 transactions a tick, and tell Redis the new numbers of users it knows."""
    _cancelled(deps)
    users = 0
    for _step in range(STEPS):
        expired = deps.database.run(lambda session: expire_due(session, deps.clock.now_ms()))
        for one in expired.users:
            deps.streams.put(one.app, one.epoch, one.app_top, one.record)
        users += len(expired.users)
        if not expired.more:
            break
    if not users:
        return Outcome.NOTHING
    log.info("deliveries_expired", users=users)
    return Outcome.DONE


def _cancelled(deps: Deps) -> None:
    """Let a job begin anew with cancellations that nobody goes on with."""
    now_ms = deps.clock.now_ms()

    def claim(session: Session) -> list[str]:
        found = retractions.unfinished(session, before_ms=now_ms - UNTOUCHED_MS, limit=AT_ONCE)
        retractions.claim(session, found, now_ms=now_ms)
        return found

    with deps.database.session() as session:
        if not retractions.unfinished(session, before_ms=now_ms - UNTOUCHED_MS, limit=1):
            # The usual case takes no write lock: on SQLite that would stop everybody else.
            return
    ids = deps.database.run(claim)
    if ids:
        log.warning("cancellations_brought_back", notifications=len(ids))
        deps.queue.enqueue(Cancel(ids=ids))
