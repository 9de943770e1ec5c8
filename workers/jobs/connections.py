"""Job `connections`: write the log of connections that nodes handed to Redis, in batches.

Taken, committed, then removed, as in workers.jobs.receipts: a second copy writes the same rows, which changes nothing.
"""

from functools import partial

from shared.protocol.jobs import Connections
from shared.store import connection_logs
from workers.deps import Deps
from workers.outcome import Outcome

TAKE = 500
ROUNDS = 20


def run(deps: Deps, _: Connections) -> Outcome:
    """Drain, at most 10,000 connections at once; what is left waits for the next tick of `presence`."""
    outcome = Outcome.NOTHING
    for _round in range(ROUNDS):
        visits, taken = deps.connection_log.take(TAKE)
        if not taken:
            break
        deps.database.run(partial(connection_logs.write, visits=visits))
        deps.connection_log.done(taken)
        outcome = Outcome.DONE
        if len(taken) < TAKE:
            break
    return outcome
