"""A notification to 100,000 known users of whom 5 % are online: seconds and memory of one worker.

Once as names, once as the subscribers of one topic. The HTTP interface takes fewer names in a request than that, so the
entry is put into the journal by the api's own adapter. Measured from letting the worker go to the last page's
`published_at`.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench import machine
from bench.context import Context
from bench.played_node import PlayedNode
from bench.report import Result, median, note
from bench.services import Database, required
from bench.stack import Stack, stack
from shared.ids import uuid7
from shared.protocol.jobs import Deliver
from shared.protocol.journal import Entry
from shared.queue import JobQueue
from shared.redis.journal import Bounds, Journal, Submission

_SMALL = 1000
_ONLINE_EVERY = 20
USERS_SQL = """
WITH new AS (
  INSERT INTO users (app_id, name, name_hash, attributes, created_at, updated_at)
  SELECT a.id, 'u' || i, encode(sha256(convert_to(a.id || ':u' || i, 'UTF8')), 'hex'), '{{}}', now(), now()
  FROM apps a, generate_series(0, {count} - 1) i WHERE a.name = 'main' RETURNING id)
INSERT INTO streams (user_id, last_seq, acked, all_acked, rev, total, unseen, unread, archived, erased)
SELECT id, 0, 0, 0, 0, 0, 0, 0, 0, false FROM new
"""
_TOPICS = ("bench/audience/few", "bench/audience/all")
"""Followed by 1,000, and by everybody."""
_SUBSCRIPTIONS_SQL = """
INSERT INTO subscriptions (app_id, pattern, user_id, created_at)
SELECT app_id, '{topic}', id, now() FROM users WHERE name IN (SELECT 'u' || i FROM generate_series(0, {count} - 1) i)
"""
Audience = dict[str, tuple[str, ...]]
"""The fields of an entry that say whom it is for."""


@dataclass(frozen=True, slots=True)
class Run:
    """One notification: wall and processor seconds of the worker, peak memory of its pool process."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def run(context: Context) -> Iterator[Result]:
    """Two results: the same users by their names, and by a topic."""
    count = 20_000 if context.quick else 100_000
    users = tuple(f"u{i}" for i in range(count))
    online = users[::_ONLINE_EVERY]
    with stack(context, nodes=1, under_test=("worker",)) as ours:
        ours.rest("node", "worker_bulk", "beat", "flower")
        database = required(ours.database)
        database.execute(USERS_SQL.format(count=count))
        for topic, subscribers in zip(_TOPICS, (_SMALL, count), strict=True):
            database.execute(_SUBSCRIPTIONS_SQL.format(topic=topic, count=subscribers))
        database.execute("ANALYZE")
        parameters = {"users": count, "online": len(online), "windows": 3, "database": "postgresql"}
        with PlayedNode(ours, online):
            named: tuple[Audience, Audience] = {"users": users[:_SMALL]}, {"users": users}
            yield _measured("audience", parameters, ours, database, named)
            few, all = _TOPICS
            yield _measured(
                "audience_topic", parameters, ours, database, ({"topics": (few,)}, {"topics": (all,)})
            )


def _measured(
    bench: str,
    parameters: dict[str, Any],
    ours: Stack,
    database: Database,
    audiences: tuple[Audience, Audience],
) -> Result:
    """Three deliveries to the big one of two audiences, and what they take more than those to the small one."""
    few, all = audiences
    _deliver(ours, database, few)
    small = max(_deliver(ours, database, few).peak_mib for _ in range(3))
    runs = [_deliver(ours, database, all) for _ in range(3)]
    for one in runs:
        note(f"  {bench} {parameters['users']}: {one} (1,000 users: {small:.0f} MiB)")
    figures = {
        "worker_seconds": median([one.seconds for one in runs]),
        "worker_cpu_seconds": median([one.cpu_seconds for one in runs]),
        "extra_memory_mib": max(one.peak_mib for one in runs) - small,
    }
    return Result(bench, parameters, figures, {"peak_mib_1000_users": small})


def _deliver(ours: Stack, database: Database, audience: Audience) -> Run:
    """Accept one notification and wait until it is published."""
    pids = ours.pids("worker")
    pool = ours.system.children("worker")[-1]
    id = uuid7(time.time_ns() // 1_000_000, os.urandom(10))
    entry = _entry(id, audience)
    with ours.frozen("worker"):
        bounds = Bounds(entries=1_000_000, bytes=1 << 30)
        submission = Submission([entry], [entry.encode()])
        Journal(ours.redis).accept([submission], now_ms=entry.accepted_at, bounds=bounds)
        queue = JobQueue(ours.valkey.url)
        queue.enqueue(Deliver(ids=[id]))
        queue.close()
        Path(f"/proc/{pool}/clear_refs").write_text("5")
        ours.pin(("worker",))
        cpu = machine.cpu_us(pids)
    started = time.monotonic()
    database.await_row(f"SELECT 1 FROM notifications WHERE id = '{id}' AND published_at IS NOT NULL", 60)
    seconds = time.monotonic() - started
    cpu = machine.cpu_us(pids) - cpu
    ours.settle()
    return Run(seconds, cpu / 1e6, _peak_mib(pool))


def _peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _entry(id: str, audience: Audience) -> Entry:
    now = time.time_ns() // 1_000_000
    return Entry(
        id=id,
        app="main",
        accepted_at=now,
        expires_at=now + 3_600_000,
        request_id=id,
        sender="key:bench",
        priority="normal",
        users=audience.get("users", ()),
        topics=audience.get("topics", ()),
        everyone=False,
        exclude=(),
        event="bench.audience",
        data_json=orjson.dumps({"t": 1, "pad": "x" * 183}).decode(),
        ttl=3600,
    )
