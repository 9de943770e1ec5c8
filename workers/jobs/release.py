"""Job `release`: held deliveries whose time has come take their place and are published. Ticked by beat each second.

In small transactions under the users' locks, so any number of these may run. Between the commit and its mark a release
may be published again, as the same bytes: clients drop a `seq` they have.
"""

from shared import logs, metrics
from shared.protocol.jobs import Release
from shared.store import releases
from shared.store.releases import Released
from workers import cancelled
from workers.blame import whose_fault
from workers.deps import Deps
from workers.failures import describe
from workers.isolation import Fault
from workers.outcome import Outcome
from workers.publishing import publish_frames

log = logs.get(__name__)

AT_ONCE = 500
LATER_MS = 300_000
"""So much later one that cannot be released is tried again."""
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
        released = _release(deps)
        _publish(deps, released)
        total, more = total + len(released.pairs), released.more
    again = Released()
    if not more:
        # A backlog would be read from end to end for it; it waits until that is gone.
        with deps.database.session() as session:
            again = releases.stale(session, now_ms=deps.clock.now_ms())
        _publish(deps, again)
    metrics.released_total.inc(total)
    log.info("deliveries_released", deliveries=total, again=len(again.pairs))
    return Outcome.DONE


def _release(deps: Deps) -> Released:
    try:
        return _step(deps, AT_ONCE)
    except Exception as error:  # every error is judged: what stops everybody goes on to the shell
        if whose_fault(deps, error) is Fault.STOP:
            raise
        log.warning("release_failed", error=describe(error))
    # One that cannot be released must not be in the way of the others: by itself it goes, or later.
    try:
        return _step(deps, 1)
    except Exception as error:
        if whose_fault(deps, error) is Fault.STOP:
            raise
        log.exception("release_put_off")
    now_ms = deps.clock.now_ms()
    deps.database.run(lambda session: releases.put_off(session, now_ms=now_ms, until_ms=now_ms + LATER_MS))
    return Released(more=True)


def _step(deps: Deps, limit: int) -> Released:
    now_ms, after_s = deps.clock.now_ms(), deps.settings.push_after
    return deps.database.run(
        lambda session: releases.release_due(session, now_ms=now_ms, push_after_s=after_s, limit=limit)
    )


def _publish(deps: Deps, released: Released) -> None:
    publish_frames(deps, released.frames)
    if released.pairs:
        deps.database.run(lambda session: releases.mark_published(session, released.pairs))
        users = sorted({item.user for one in released.frames for item in one.items})
        cancelled.tell_released(deps, sorted({id for id, *_ in released.pairs}), users)
