"""A storm of first connections: how fast one node and one worker take in users that the system knows, or does not.

A known user's record is in Redis, so the node answers alone. For an unknown one a worker must read (and make) the
record first; that is over when the client was told its position.
"""

import time
from collections.abc import Iterator

from bench.context import Context
from bench.load_tools import WebSocketLoad
from bench.played_node import make_known
from bench.report import Result, note
from bench.stack import Stack, stack


def run(context: Context) -> Iterator[Result]:
    """One result."""
    count = 300 if context.quick else 1000
    with stack(context, nodes=1, under_test=("node",)) as ours:
        cold = _storm(ours, [f"cold{i}" for i in range(count)])
        known = [f"known{i}" for i in range(count)]
        make_known(ours, known)
        warm = _storm(ours, known)
    note(f"  connect: {warm:.0f}/s known, {cold:.0f}/s unknown users")
    figures = {"known_users_per_second": warm, "unknown_users_per_second": cold}
    yield Result("connect", {"users": count, "database": context.database_kind}, figures)


def _storm(ours: Stack, users: list[str]) -> float:
    sockets = ours.sockets(users)
    started = time.monotonic()
    with WebSocketLoad(sockets):
        ours.settle()
        return len(users) / (time.monotonic() - started)
