"""Turn results into the table of the README: `python -m bench.table RESULTS...` reads JSON lines, prints Markdown."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from bench.report import BUDGETS, Budget

_TELLING = (
    "connections",
    "users",
    "clients",
    "posts_per_second",
    "batch",
    "notifications",
    "worker_concurrency",
)
_OF_5000 = 5000


def main(files: Sequence[str] | None = None) -> int:
    """Print one row for each budget and each result it binds."""
    names = sys.argv[1:] if files is None else files
    lines = [line for name in names for line in Path(name).read_text().splitlines() if line.startswith("{")]
    print("\n".join(rows([orjson.loads(line) for line in lines])))
    return 0


def rows(results: Sequence[dict[str, Any]]) -> Iterable[str]:
    """The Markdown table."""
    yield "| benchmark | at | figure | measured | budget | met |"
    yield "|---|---|---|---|---|---|"
    for budget in BUDGETS:
        for result in results:
            if result["bench"] == budget.bench and budget.key in result["figures"]:
                yield _row(budget, result)


def _row(budget: Budget, result: dict[str, Any]) -> str:
    parameters, value = result["parameters"], result["figures"][budget.key]
    at = ", ".join(f"{name} {parameters[name]}" for name in _TELLING if name in parameters)
    binds = budget.key in result["budgets"]
    met = ("yes" if budget.met(value) else "**no**") if binds else f"binds at {_OF_5000}"
    sign = ">=" if budget.at_least else "<="
    return f"| {budget.bench} | {at} | {budget.key} | {value:g} | {sign} {budget.limit:g} | {met} |"


if __name__ == "__main__":
    sys.exit(main())
