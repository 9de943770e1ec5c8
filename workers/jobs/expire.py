"""Job `expire`: deliveries that outlived their notification unacknowledged leave the numbers of the inbox.

Ticked by beat every 10 s. In small transactions, so that a big audience that expires at once holds no lock for long.
"""

from shared import logs
from shared.protocol.jobs import Expire
from shared.store.expiry import expire_due
from workers.deps import Deps
from workers.outcome import Outcome

log = logs.get(__name__)

STEPS = 20


def run(deps: Deps, _: Expire) -> Outcome:
    """Expire in at most 20 transactions a tick, and tell Redis the new numbers of users it knows."""
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
