"""Job `release`: held deliveries whose time has come take their place and are published. Ticked by beat each second.

In small transactions under the users' locks, so any number of these may run. Between the commit and its mark a release
may be published again, as the same bytes: clients drop a `seq` they have.
"""

from shared import logs, metrics
from shared.protocol.jobs import Release
from shared.store import releases
from shared.store.releases import Released
from workers import cancelled
from workers.deps import Deps
from workers.outcome import Outcome
from workers.publishing import publish_frames

log = logs.get(__name__)

TICK_S = 3.0
"""A tick ends after so long; what is left waits for the next one."""


def run(deps: Deps, _: Release) -> Outcome:
    """Release for three seconds at most, then what an earlier one could not publish."""
    with deps.database.session() as session:
        if not releases.any_due(session, deps.clock.now_ms()):
            # The usual case takes no write lock: on SQLite that would stop everybody else.
            return Outcome.NOTHING
    end, total, more = deps.clock.monotonic() + TICK_S, 0, True
    while more and deps.clock.monotonic() < end:
        released = deps.database.run(
            lambda session: releases.release_due(
                session, now_ms=deps.clock.now_ms(), push_after_s=deps.settings.push_after
            )
        )
        _publish(deps, released)
        total, more = total + len(released.pairs), released.more
    with deps.database.session() as session:
        again = releases.stale(session, now_ms=deps.clock.now_ms())
    _publish(deps, again)
    metrics.released_total.inc(total)
    log.info("deliveries_released", deliveries=total, again=len(again.pairs))
    return Outcome.DONE


def _publish(deps: Deps, released: Released) -> None:
    publish_frames(deps, released.frames)
    if released.pairs:
        deps.database.run(lambda session: releases.mark_published(session, released.pairs))
        users = sorted({item.user for one in released.frames for item in one.items})
        cancelled.tell_released(deps, sorted({id for id, *_ in released.pairs}), users)
