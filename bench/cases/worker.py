"""Notifications through one worker process on PostgreSQL: from a full queue to the node's channel.

Ours is filled through the real API by 64 connections, so groups have the size that load gives them. Every user is
online on a node that this benchmark plays: presence, seq, tails and the publish are all paid for. Beside it: BullMQ
with a job per notification (50 at a time) and Celery with a task per notification, both with BEGIN, two INSERTs,
COMMIT, PUBLISH.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import orjson

from bench import machine, peers
from bench.context import Context
from bench.listening import Listener, Pace, pace
from bench.load_tools import http_load, post
from bench.played_node import PlayedNode
from bench.processes import BenchError, Child
from bench.report import Result, median, note, ratio_of_medians
from bench.services import Database, required
from bench.stack import Stack, stack

_USERS = 1000
_CONNECTIONS = 64
_OURS = "bellhop"
_PAYLOAD = {"t": 1, "pad": "x" * 183}


def run(context: Context) -> Iterator[Result]:
    """A worker with one child, as it is by default, and with two: one works while the other waits for the disk."""
    for children in (1, 2):
        yield _compare(context, children)


def _compare(context: Context, children: int) -> Result:
    found: dict[str, list[Pace]] = {}
    settings = {"BELLHOP_WORKER_CONCURRENCY": str(children)}
    with ExitStack() as exits:
        bellhop = exits.enter_context(stack(context, nodes=1, under_test=("worker",), settings=settings))
        bellhop.rest("node", "worker_bulk", "beat", "flower")
        database = required(bellhop.database)
        played = exits.enter_context(PlayedNode(bellhop, [f"u{i}" for i in range(_USERS)]))
        database.execute(peers.TABLES)
        sides: dict[str, Callable[[], Pace]] = {_OURS: lambda: _ours(context, bellhop, played)}
        if peers.available():
            sides["bullmq"] = lambda: _bullmq(context, database)
        sides["celery_job_per_notification"] = lambda: _celery(context, database)
        for number in range(context.windows + 1):
            for name, measure in sides.items():
                window = measure()
                note(f"  worker {name:28} {window.per_second:8.0f}/s, {window.cpu_us:.0f} us each")
                if number:
                    found.setdefault(name, []).append(window)
    parameters = {
        "notifications": _count(context),
        "recipients": 1,
        "users_online": _USERS,
        "filled_by_connections": _CONNECTIONS,
        "payload_bytes": len(orjson.dumps(_PAYLOAD)),
        "windows": context.windows,
        "database": "postgresql",
        "worker_concurrency": children,
    }
    return Result(
        "worker", parameters, _figures(found), {**_detail(found), "group_size": played.group_size()}
    )


def _detail(found: dict[str, list[Pace]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "per_second": median([window.per_second for window in windows]),
            "cpu_us_each": median([window.cpu_us for window in windows]),
        }
        for name, windows in found.items()
    }


def _figures(found: dict[str, list[Pace]]) -> dict[str, float]:
    ours = found[_OURS]
    figures = {"per_second": median([window.per_second for window in ours])}
    for name in found.keys() - {_OURS}:
        theirs = found[name]
        rates = ratio_of_medians([w.per_second for w in ours], [w.per_second for w in theirs])
        costs = ratio_of_medians([w.cpu_us for w in theirs], [w.cpu_us for w in ours])
        figures |= {f"over_{name}": rates, f"over_{name}_by_cpu": costs}
    return figures


def _count(context: Context) -> int:
    return 6_000 if context.quick else 20_000


def _ours(context: Context, bellhop: Stack, played: PlayedNode) -> Pace:
    """Fill with the worker frozen, let it go, read the rate; microseconds of worker time for each as well."""
    count = _count(context)
    pids = bellhop.pids("worker")
    requests = [_request(bellhop, f"u{i % _USERS}") for i in range(_USERS)]
    with played.listener() as listener:
        with bellhop.frozen("worker"):
            filled = http_load(
                requests, port=bellhop.api_port, connections=_CONNECTIONS, seconds=60, limit=count
            )
            if filled.ok != count:
                raise BenchError(f"worker: could not fill the queue: {filled}")
            played.renew()
            bellhop.pin(("worker",))
        found = pace(listener, pids, count)
    bellhop.settle()
    return found


def _request(bellhop: Stack, user: str) -> bytes:
    body = orjson.dumps({"to": {"users": [user]}, "event": "bench.worker", "data": _PAYLOAD})
    return post("/v1/notifications", body, port=bellhop.api_port, headers=bellhop.auth())


def _bullmq(context: Context, database: Database) -> Pace:
    count = _count(context) // 2
    queue = f"w{uuid.uuid4().hex[:6]}"
    peers.fill_bullmq(context.valkey, queue, count=count, users=_USERS)
    with (
        Listener(context.valkey.port, peers.CHANNEL, lambda _: 1) as listener,
        peers.bullmq_worker(context.valkey, database, queue) as child,
    ):
        return _watch(listener, child, database, count)


def _celery(context: Context, database: Database) -> Pace:
    count = _count(context) // 10
    peers.fill_naive(context.valkey, database, count=count)
    with (
        Listener(context.valkey.port, peers.CHANNEL, lambda _: 1) as listener,
        peers.naive_worker(context.valkey, database) as child,
    ):
        return _watch(listener, child, database, count)


def _watch(listener: Listener, child: Child, database: Database, count: int) -> Pace:
    listener.collect(1, 60)
    database.pin()
    return pace(listener, machine.descendants(child.pid), count)
