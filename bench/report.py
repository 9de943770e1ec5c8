"""What a benchmark says: one JSON line, and which of the design's budgets it meets.

The budgets stand here as a table, so that the runner, the README and a reader mean the same numbers.
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from bench import machine


@dataclass(frozen=True, slots=True)
class Budget:
    """One promise of the design: `key` of a result must be at least or at most `limit`."""

    bench: str
    key: str
    limit: float
    at_least: bool

    def met(self, value: float) -> bool:
        """Whether a measured value keeps the promise."""
        return value >= self.limit if self.at_least else value <= self.limit


BUDGETS: tuple[Budget, ...] = (
    Budget("fanout", "broadcast_of_floor", 0.8, at_least=True),
    Budget("fanout", "broadcast_over_ws", 1.3, at_least=True),
    Budget("fanout", "broadcast_over_socketio", 1.6, at_least=True),
    Budget("fanout", "unicast_over_ws", 2.0, at_least=True),
    Budget("fanout", "unicast_over_socketio", 3.0, at_least=True),
    Budget("memory", "kib_per_connection", 2.0, at_least=False),
    Budget("slow_client", "p99_after_over_before", 1.5, at_least=False),
    Budget("latency", "p50_ms", 10.0, at_least=False),
    Budget("latency", "p99_ms", 30.0, at_least=False),
    Budget("intake", "over_express", 0.85, at_least=True),
    Budget("intake", "over_celery_job_per_request", 3.5, at_least=True),
    Budget("intake_batch_100", "over_add_bulk", 2.5, at_least=True),
    Budget("intake_batch_1000", "over_add_bulk", 4.0, at_least=True),
    Budget("worker", "over_bullmq", 3.0, at_least=True),
    Budget("worker", "over_celery_job_per_notification", 15.0, at_least=True),
    Budget("audience", "worker_seconds", 1.0, at_least=False),
    Budget("audience", "extra_memory_mib", 20.0, at_least=False),
    Budget("due", "released_per_second", 40_000, at_least=True),
    Budget("resume", "sql_sessions", 0, at_least=False),
    Budget("resume", "replay_jobs", 0, at_least=False),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark found. `figures` are what budgets look at; `detail` is everything else."""

    bench: str
    parameters: dict[str, Any]
    figures: dict[str, float]
    detail: dict[str, Any] = field(default_factory=dict)

    def budgets(self) -> dict[str, dict[str, Any]]:
        """The promises about these figures, kept or not; those of 5,000 connections bind only there."""
        found: dict[str, dict[str, Any]] = {}
        for budget in BUDGETS:
            if budget.bench != self.bench or budget.key not in self.figures:
                continue
            if self.bench == "fanout" and self.parameters["connections"] < 5000:
                continue
            sign = ">=" if budget.at_least else "<="
            met = budget.met(self.figures[budget.key])
            found[budget.key] = {"budget": f"{sign} {budget.limit:g}", "met": met}
        return found


def emit(result: Result) -> None:
    """Print the one line."""
    line = {
        "bench": result.bench,
        "parameters": result.parameters,
        "figures": {name: significant(value) for name, value in result.figures.items()},
        "budgets": result.budgets(),
        "detail": result.detail,
        "machine": machine.describe(),
    }
    sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Say on standard error what is going on; standard output is for results."""
    print(text, file=sys.stderr, flush=True)


def significant(value: float) -> float:
    """Four significant digits are more than the machine deserves."""
    return float(f"{value:.4g}")


def median(values: Sequence[float]) -> float:
    """The median, rounded."""
    return significant(statistics.median(values))


def ratio_of_medians(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How many times the median of theirs the median of ours is."""
    return significant(statistics.median(ours) / statistics.median(theirs))
