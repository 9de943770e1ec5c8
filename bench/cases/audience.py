"""A notification to 100,000 known users of whom 5 % are online: seconds and memory of one worker.

Once as names, once as the subscribers of one topic, and once with everybody online. The HTTP interface takes fewer
names in a request than that, so the entry is put into the journal by the api's own adapter. Measured from letting the
worker go to the last page's `published_at`: cold is the first notification to these users, warm are those after it.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.context import Context
from bench.played_node import PlayedNode
from bench.processes import BenchError
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
_WINDOWS = 3
_SECONDS = 120
"""All of them online take Redis many times as long as a twentieth."""
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
    """Three results: the same users by their names, by a topic, and all of them online."""
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
        parameters = {"users": count, "online": len(online), "windows": _WINDOWS, "database": "postgresql"}
        few, all = _TOPICS
        named: tuple[Audience, Audience] = {"users": users[:_SMALL]}, {"users": users}
        with PlayedNode(ours, online) as node:
            yield _measured("audience", parameters, ours, database, node, named)
            by_topic: tuple[Audience, Audience] = {"topics": (few,)}, {"topics": (all,)}
            yield _measured("audience_topic", parameters, ours, database, node, by_topic)
        with PlayedNode(ours, users) as node:
            parameters |= {"online": count}
            yield _measured("audience_online", parameters, ours, database, node, named)


def _measured(
    bench: str,
    parameters: dict[str, Any],
    ours: Stack,
    database: Database,
    node: PlayedNode,
    audiences: tuple[Audience, Audience],
) -> Result:
    """Deliveries to the big one of two audiences, and what they take more than those to the small one.

    `worker_seconds` is the worse of the first and the median of the others.
    """
    few, all = audiences
    count, online = parameters["users"], parameters["online"]

    def deliver(audience: Audience, told: int) -> Run:
        # Whatever is published must be heard: a node that does not listen is told nothing more.
        with node.listener() as listener:
            run = _deliver(ours, database, audience)
            _, heard = listener.collect(told, _SECONDS)
        if heard != told:
            raise BenchError(f"{heard} frames for {told} users")
        return run

    told_of_few = online * _SMALL // count
    deliver(few, told_of_few)
    small = max(deliver(few, told_of_few).peak_mib for _ in range(3))
    cold, *warm = [deliver(all, online) for _ in range(1 + _WINDOWS)]
    for one in (cold, *warm):
        note(f"  {bench} {parameters['users']}: {one} (1,000 users: {small:.0f} MiB)")
    warm_seconds = median([one.seconds for one in warm])
    figures = {
        "worker_seconds": max(cold.seconds, warm_seconds),
        "worker_cpu_seconds": median([one.cpu_seconds for one in warm]),
        "extra_memory_mib": max(one.peak_mib for one in (cold, *warm)) - small,
    }
    detail = {"cold_seconds": cold.seconds, "warm_seconds": warm_seconds, "peak_mib_1000_users": small}
    return Result(bench, parameters, figures, detail)


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
        cpu = _cpu_seconds(pids)
    started = time.monotonic()
    database.await_row(
        f"SELECT 1 FROM notifications WHERE id = '{id}' AND published_at IS NOT NULL", _SECONDS
    )
    seconds = time.monotonic() - started
    cpu = _cpu_seconds(pids) - cpu
    ours.settle()
    return Run(seconds, cpu, _peak_mib(pool))


def _cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time of processes with all their threads, also those that ended: schedstat has the first one."""
    found = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in pids]
    return sum(int(ticks) for times in found for ticks in times) / os.sysconf("SC_CLK_TCK")


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
