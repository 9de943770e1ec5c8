"""Around every job: check its arguments, run it, count how it ended, log what nobody expected.

Nothing is raised into Celery: it acknowledges a raised error like a success, and would log arguments that others wrote.
What must not be lost stands in the journal or in a row, where the reconciler finds it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from shared import logs, metrics
from shared.protocol.jobs import Job
from workers.args import PoisonArgs, parse
from workers.deps import Deps
from workers.failures import is_away, timed_out
from workers.outcome import Outcome
from workers.registry import Spec

log = logs.get(__name__)


def execute(job: Job, spec: Spec, kwargs: Mapping[str, Any], deps: Callable[[], Deps]) -> Outcome:
    """Run one job to its outcome; raises nothing."""
    with metrics.job_seconds.labels(job=str(job)).time():
        outcome = _outcome(job, spec, kwargs, deps)
    metrics.jobs_total.labels(job=str(job), outcome=str(outcome)).inc()
    return outcome


def _outcome(job: Job, spec: Spec, kwargs: Mapping[str, Any], deps: Callable[[], Deps]) -> Outcome:
    try:
        return spec.run(deps(), parse(spec.args, kwargs))
    except PoisonArgs as error:
        log.warning("job_rejected", job=str(job), problems=error.problems)
        return Outcome.REJECTED
    except Exception as error:  # the last line of defence: the job ends, the worker goes on
        if timed_out(error):
            log.warning("job_timed_out", job=str(job), exc_info=True)
            return Outcome.TIMEOUT
        if is_away(error):
            log.warning("job_found_service_away", job=str(job), error=str(error))
            return Outcome.AWAY
        log.exception("job_failed", job=str(job))
        return Outcome.FAILED
