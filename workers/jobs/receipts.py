"""Job `receipts`: bring the acks that nodes merged in Redis into the database. Hop 9 of 9.

Taken, committed, then removed; an ack that moved on meanwhile stays for the next round. A second copy of the job, or a
death between commit and removal, applies the same numbers again, which changes nothing.
"""

from functools import partial

from shared import metrics
from shared.protocol.jobs import Receipts
from shared.store.receipts import apply_acks
from workers.deps import Deps
from workers.outcome import Outcome

TAKE = 1000
ROUNDS = 20


def run(deps: Deps, _: Receipts) -> Outcome:
    """Drain, at most 20,000 acks at once; what is left after that is another job, behind the others of its queue."""
    outcome = Outcome.NOTHING
    for _round in range(ROUNDS):
        taken = deps.acks.take(TAKE)
        if not taken:
            return outcome
        acks = [(ack.app, ack.user, ack.me, ack.all) for ack in taken]
        deps.database.run(partial(apply_acks, acks=acks, now_ms=deps.clock.now_ms()))
        metrics.acks_total.inc(deps.acks.done(taken))
        outcome = Outcome.DONE
        if len(taken) < TAKE:
            return outcome
    deps.queue.enqueue(Receipts())
    return outcome
