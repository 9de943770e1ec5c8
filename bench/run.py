"""Run benchmarks: `python -m bench.run NAME [--quick]`, NAME one of those in CASES or `all`.

Results go to standard output, one JSON line each; what happens meanwhile to standard error.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from bench import load_tools, machine
from bench.cases import (
    audience,
    connect,
    due,
    durability,
    fanout,
    intake,
    latency,
    limits,
    memory,
    resume,
    slow_client,
    socketio,
    story,
    worker,
)
from bench.context import Context
from bench.report import Result, emit, note
from bench.services import postgres_reachable, valkey

CASES: dict[str, Callable[[Context], Iterator[Result]]] = {
    "latency": latency.run,
    "intake": intake.run,
    "durability": durability.run,
    "limits": limits.run,
    "worker": worker.run,
    "audience": audience.run,
    "due": due.run,
    "fanout": fanout.run,
    "connect": connect.run,
    "memory": memory.run,
    "slow_client": slow_client.run,
    "resume": resume.run,
    "socketio": socketio.run,
    "story": story.run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is named; 1 if a benchmark could not be run, budgets decide nothing here."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument(
        "names", nargs="+", choices=[*CASES, "all"], metavar="NAME", help="one of: %(choices)s"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter windows, 1,000 connections at most"
    )
    chosen = parser.parse_args(arguments)
    names = list(CASES) if "all" in chosen.names else chosen.names
    machine.raise_open_files()
    os.sched_setaffinity(0, {machine.LOAD_CORE})
    try:
        return max(_run(name, quick=chosen.quick) for name in names)
    finally:
        load_tools.remove_build()


def _run(name: str, *, quick: bool) -> int:
    with valkey() as server:
        try:
            for result in CASES[name](Context(quick, server, postgres_reachable())):
                emit(result)
        except Exception as error:  # noqa: BLE001  # one that fails must not take the others with it
            note(f"{name}: {type(error).__name__}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
