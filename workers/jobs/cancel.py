"""Job `cancel`: take back what has gone out of cancelled notifications, step by step, and tell whoever is online.

Each step is a transaction, told before the next one begins; a death in between repeats the telling of one step, which
clients do not notice. What the time of a job does not suffice for is another job, which begins where this one stopped.
"""

from shared import logs
from shared.protocol.jobs import Cancel
from workers.deps import Deps
from workers.outcome import Outcome

log = logs.get(__name__)

SECONDS = 20.0
"""Half of the soft limit of a job: 100,000 users take a third of it."""


def run(deps: Deps, args: Cancel) -> Outcome:
    """Take back for 20 seconds at most."""
    end = deps.clock.monotonic() + SECONDS
    after = args.after
    for number, id in enumerate(args.ids):
        left = deps.cancellations.go_on(id, after=after, seconds=max(0.0, end - deps.clock.monotonic()))
        if left is not None:
            deps.queue.enqueue(Cancel(ids=args.ids[number:], after=left))
            return Outcome.PARTLY
        after = 0
        log.info("cancelled", id=id)
    return Outcome.DONE
