"""Job `presence`: say who has left, and write down when they were last here. Ticked by beat each second.

Any number may run: a script of Redis takes who is due, so each leave is told once. What it noted waits in Redis until
it is committed. Users of a node that died are taken off it here, so many at a time.
"""

from functools import partial

from shared import logs, metrics
from shared.protocol.jobs import Connections, Presence
from shared.store.presence import note_seen
from workers.deps import Deps
from workers.outcome import Outcome

log = logs.get(__name__)

TICK_S = 1.0
"""A tick sweeps for so long; what is left waits for the next one."""
TAKE = 500
ROUNDS = 10


def run(deps: Deps, _: Presence) -> Outcome:
    """Sweep for a second at most, write down at most 5,000 users, and have the log of connections written."""
    done = _sweep(deps)
    if deps.connection_log.waiting():
        deps.queue.enqueue(Connections())
    return Outcome.DONE if _note(deps) or done else Outcome.NOTHING


def _sweep(deps: Deps) -> int:
    """Tell who has left, and move users of dead nodes; how many."""
    moved, left, end = 0, 0, deps.clock.monotonic() + TICK_S
    while True:
        swept = deps.presence.sweep()
        moved, left = moved + swept.moved, left + swept.left
        if not swept.more or deps.clock.monotonic() >= end:
            break
    metrics.presence_left_total.inc(left)
    if moved:
        log.info("dead_nodes_swept", users=moved)
    return moved + left


def _note(deps: Deps) -> int:
    """Bring what is noted of users who left into the database; how many."""
    total = 0
    for _round in range(ROUNDS):
        seen = deps.presence.take_seen(TAKE)
        if not seen:
            break
        deps.database.run(partial(note_seen, seen=seen))
        deps.presence.done_seen(seen)
        total += len(seen)
    return total
