"""Job `purge`: notifications whose end lies further back than the retention are deleted with their deliveries.

Ticked by beat every 60 s. In small transactions and for a bounded time, because the reconciler waits in the same queue.
"""

from shared import logs, metrics
from shared.protocol.jobs import Purge
from shared.store.purge import anything_due, purge_due
from workers.deps import Deps
from workers.outcome import Outcome

log = logs.get(__name__)

TICK_S = 3.0
"""A tick ends after so long; what is left waits for the next one."""


def run(deps: Deps, _: Purge) -> Outcome:
    """Delete for three seconds at most, and tell Redis the new numbers of users it knows."""
    if not deps.settings.retention:
        return Outcome.NOTHING
    before_ms = deps.clock.now_ms() - deps.settings.retention * 1000
    with deps.database.session() as session:
        if not anything_due(session, before_ms):
            # The usual case takes no write lock: on SQLite that would stop everybody else.
            return Outcome.NOTHING
    notifications, deliveries = 0, 0
    end, more = deps.clock.monotonic() + TICK_S, True
    while more and deps.clock.monotonic() < end:
        purged = deps.database.run(lambda session: purge_due(session, before_ms))
        # Of what could not even be stored as failed, the content is here.
        deps.journal.forget(purged.notifications)
        for one in purged.users:
            deps.streams.put(one.app, one.epoch, one.app_top, one.record)
        notifications += len(purged.notifications)
        deliveries += purged.deliveries
        more = purged.more
    metrics.purged_total.inc(notifications)
    log.info("purged", notifications=notifications, deliveries=deliveries, more=more)
    return Outcome.DONE
