"""100,000 notifications, and 100,000 held deliveries, that are due at the same instant.

`released`: scheduled notifications claimed and handed to the queues of their priority, from the first tick until none
is due, while the worker that sends them rests; each must be in exactly one job. `sent`: those jobs, through one worker,
until none is scheduled. `held`: deliveries that get their number, are published and marked, in small transactions under
the locks of their users, all of whom are different. Beat rests: the benchmark ticks whenever no tick is queued.
"""

import base64
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator

from bench.context import Context
from bench.processes import BenchError
from bench.report import Result, note
from bench.services import Database, required
from bench.stack import Stack, stack
from shared.protocol.jobs import Due, JobArgs, Queue, Release
from shared.queue import JobQueue

_USERS_SQL = """
WITH new AS (
  INSERT INTO users (app_id, name, name_hash, attributes, created_at, updated_at)
  SELECT a.id, 'u' || i, encode(sha256(convert_to(a.id || ':u' || i, 'UTF8')), 'hex'), '{{}}', now(), now()
  FROM apps a, generate_series(0, {count} - 1) i WHERE a.name = 'main' RETURNING id)
INSERT INTO streams (user_id, last_seq, acked, all_acked, rev, total, unseen, unread, archived, erased)
SELECT id, 0, 0, 0, 0, 0, 0, 0, 0, false FROM new
"""
_ROW = """
INSERT INTO notifications (id, app_id, event, data, priority, everyone, recipients, status, ttl, accepted_at, stored_at,
  expires_at, sender, request_id, tags, attempts, {columns})
SELECT gen_random_uuid(), a.id, 'bench.due', '{{{{"n":1}}}}', 'normal', false, 1, '{status}', 86400, now(), now(),
  now() + interval '2 days', 'key:bench', 'r', '[]', 0, {values}
"""
_SCHEDULED_SQL = (
    _ROW.format(
        columns="audience, send_at, due_at",
        status="scheduled",
        values="""'{{"users":["u' || i % 1000 || '"]}}', now() + d.wait, now() + d.wait""",
    )
    + """
FROM apps a, generate_series(0, {count} - 1) i,
  (VALUES (interval '-1 second'), (interval '1 day')) AS d(wait) WHERE a.name = 'main'
"""
)
_HELD_SQL = (
    "WITH one AS ("
    + _ROW.format(columns="published_at", status="sent", values="now()")
    + """ FROM apps a WHERE a.name = 'main' RETURNING id)
INSERT INTO deliveries (notification_id, user_id, state, reason, rev, held_until)
SELECT one.id, s.user_id, 'held', 'local_time', 1, now() - interval '1 second' FROM one, streams s
"""
)
_IS_DUE = "SELECT 1 FROM notifications WHERE due_at <= now() AND status = 'scheduled' LIMIT 1"
_IS_WAITING = "SELECT 1 FROM notifications WHERE send_at <= now() AND status = 'scheduled' LIMIT 1"
_IS_HELD = "SELECT 1 FROM deliveries WHERE held_until IS NOT NULL LIMIT 1"
_SECONDS = 120


def run(context: Context) -> Iterator[Result]:
    """One result with the three rates."""
    count = 20_000 if context.quick else 100_000
    with stack(context, nodes=1, under_test=("worker_bulk",)) as ours:
        ours.rest("node", "beat", "flower")
        database = required(ours.database)
        database.execute(_USERS_SQL.format(count=count))
        database.execute(_SCHEDULED_SQL.format(count=count))
        database.execute(_HELD_SQL.format())
        database.execute("VACUUM ANALYZE notifications")
        database.execute("VACUUM ANALYZE deliveries")
        with ours.frozen("worker"):
            released = _until(ours, database, Due(), _IS_DUE)
            _check(ours, count)
        started = time.monotonic()
        _await(database, _IS_WAITING, lambda: None)
        sent = time.monotonic() - started
        held = _until(ours, database, Release(), _IS_HELD)
    figures = {
        "released_per_second": count / released,
        "sent_per_second": count / sent,
        "held_released_per_second": count / held,
    }
    note(f"  due {count}: {figures}")
    parameters = {"due": count, "scheduled": 2 * count, "users": count, "database": "postgresql"}
    yield Result("due", parameters, figures, {})


def _until(ours: Stack, database: Database, tick: JobArgs, left: str) -> float:
    """Seconds of ticks until nothing is left."""
    queue = JobQueue(ours.valkey.url)

    def again() -> None:
        if not ours.queued(Queue.MAINTENANCE):
            queue.enqueue(tick)

    started = time.monotonic()
    try:
        _await(database, left, again)
    finally:
        queue.close()
    return time.monotonic() - started


def _await(database: Database, left: str, meanwhile: Callable[[], None]) -> None:
    until = time.monotonic() + _SECONDS
    while database.execute(left):
        if time.monotonic() > until:
            raise BenchError(f"not done after {_SECONDS} s: {left}")
        meanwhile()
        time.sleep(0.02)


def _check(ours: Stack, count: int) -> None:
    """Each of them is in one job and no more."""
    found: Counter[str] = Counter()
    for raw in ours.redis.lrange(str(Queue.NORMAL), 0, -1):
        _, kwargs, _ = json.loads(base64.b64decode(json.loads(raw)["body"]))
        found.update(kwargs["ids"])
    # What the frozen worker had prefetched is in neither place that can be read.
    ahead = count - len(found)
    if set(found.values()) - {1} or not 0 <= ahead <= 5 * 256:
        raise BenchError(f"{len(found)} of {count} in the queue, some {max(found.values())} times")
