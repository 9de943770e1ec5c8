"""Job `purge`: notifications whose end lies further back than the retention are deleted with their deliveries, so are
runs of schedules, connections after a time of their own, sessions that are over, and what users have taken of frequency
caps once it is past.
Connections of nodes that died are closed here.

Ticked by beat every 60 s. In small transactions and for a bounded time, because the reconciler waits in the same queue.
"""

from functools import partial

from shared import logs, metrics
from shared.protocol.jobs import Purge
from shared.store import allowances, connection_logs, schedule_runs, sessions
from shared.store.purge import anything_due, purge_due
from workers.deps import Deps
from workers.outcome import Outcome

log = logs.get(__name__)

TICK_S = 3.0
"""A tick ends after so long; what is left waits for the next one."""


def run(deps: Deps, _: Purge) -> Outcome:
    """Delete for three seconds at most, and tell Redis the new numbers of users it knows."""
    begun = deps.clock.monotonic()
    found = [_purge_allowances(deps, begun + TICK_S / 3), _purge_connections(deps)]
    found.append(_purge_sessions(deps, begun + TICK_S / 2))
    if deps.settings.retention:
        found.append(_purge_notifications(deps, begun + TICK_S))
    return Outcome.DONE if Outcome.DONE in found else Outcome.NOTHING


def _purge_allowances(deps: Deps, end: float) -> Outcome:
    now_ms = deps.clock.now_ms()
    with deps.database.session() as session:
        if not allowances.anything_past(session, now_ms):
            return Outcome.NOTHING
    while deps.clock.monotonic() < end:
        if deps.database.run(lambda session: allowances.purge(session, now_ms)) < allowances.PURGED:
            break
    return Outcome.DONE


def _purge_connections(deps: Deps) -> Outcome:
    """Close the connections of dead nodes and delete old ones, each for a third of the tick at most."""
    now_ms = deps.clock.now_ms()
    before_ms = now_ms - deps.settings.connection_log_life * 1000
    with deps.database.session() as session:
        nodes, old = connection_logs.open_nodes(session), connection_logs.any_old(session, before_ms)
    dead = sorted(set(nodes) - set(deps.leases.live())) if nodes else []
    steps = []
    if dead:
        steps.append(partial(connection_logs.close_for_dead, nodes=dead, now_ms=now_ms))
    if old:
        steps.append(partial(connection_logs.purge, before_ms=before_ms))
    for step in steps:
        end = deps.clock.monotonic() + TICK_S / 3
        while deps.database.run(step) == connection_logs.STEP and deps.clock.monotonic() < end:
            pass
    if dead:
        log.info("connections_of_dead_nodes_closed", nodes=dead)
    return Outcome.DONE if steps else Outcome.NOTHING


def _purge_sessions(deps: Deps, end: float) -> Outcome:
    now_ms, idle_ms = deps.clock.now_ms(), deps.settings.refresh_idle * 1000
    with deps.database.session() as session:
        if not sessions.anything_over(session, now_ms, idle_ms=idle_ms):
            return Outcome.NOTHING
    while deps.clock.monotonic() < end:
        if not deps.database.run(lambda session: sessions.purge(session, now_ms, idle_ms=idle_ms)):
            break
    return Outcome.DONE


def _purge_notifications(deps: Deps, end: float) -> Outcome:
    before_ms = deps.clock.now_ms() - deps.settings.retention * 1000
    runs = _purge_runs(deps, before_ms)
    with deps.database.session() as session:
        if not anything_due(session, before_ms):
            # The usual case takes no write lock: on SQLite that would stop everybody else.
            return Outcome.DONE if runs else Outcome.NOTHING
    notifications, deliveries, more = 0, 0, True
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


def _purge_runs(deps: Deps, before_ms: int) -> int:
    """Delete old runs, for a third of the tick at most; how many there were."""
    with deps.database.session() as session:
        if not schedule_runs.any_old(session, before_ms):
            return 0
    gone, end, found = 0, deps.clock.monotonic() + TICK_S / 3, schedule_runs.PURGE
    while found == schedule_runs.PURGE and deps.clock.monotonic() < end:
        found = deps.database.run(lambda session: schedule_runs.purge(session, before_ms))
        gone += found
    log.info("schedule_runs_purged", runs=gone)
    return gone
