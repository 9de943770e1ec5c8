"""Latency when idle: from the start of a POST to the frame at the client, through every process.

The time is put into the notification's data just before the request leaves, and read by the load client when the frame
arrives: HTTP, journal, queue, database commit, Redis and the socket are all inside.
"""

import random
import time
from collections.abc import Iterator

from bench.context import Context
from bench.load_tools import Seen, WebSocketLoad
from bench.processes import BenchError
from bench.publishing import padded
from bench.report import Result, median, note
from bench.stack import Stack, stack

_USERS = 200
_PAYLOAD = 200
_ACK_MS = 100


def run(context: Context) -> Iterator[Result]:
    """One result for each rate."""
    with stack(context, nodes=2) as ours:
        users = [f"u{i}" for i in range(_USERS)]
        half = _USERS // 2
        sockets = ours.sockets(users[:half], node=0) + ours.sockets(users[half:], node=1)
        with WebSocketLoad(sockets, ack_ms=_ACK_MS) as load:
            _window(ours, load, rate=50, count=100)
            for rate in (20, 50):
                yield _at(context, ours, load, rate)


def _at(context: Context, ours: Stack, load: WebSocketLoad, rate: int) -> Result:
    count = 150 if context.quick else 400
    seen, posts = [], []
    for _ in range(context.windows):
        window, answered = _window(ours, load, rate=rate, count=count)
        note(f"  latency at {rate}/s: p50 {window.p50_ms:.2f} ms, p99 {window.p99_ms:.2f} ms")
        seen.append(window)
        posts.append(answered)
    figures = {
        "p50_ms": median([window.p50_ms for window in seen]),
        "p90_ms": median([window.p90_ms for window in seen]),
        "p99_ms": median([window.p99_ms for window in seen]),
        "max_ms": max(window.max_ms for window in seen),
    }
    parameters = {
        "posts_per_second": rate,
        "posts": count,
        "windows": context.windows,
        "users_connected": _USERS,
        "nodes": 2,
        "payload_bytes": _PAYLOAD,
        "acks": True,
        "database": context.database_kind,
        "pinned": False,
    }
    jobs = {
        "deliver_mean_ms": ours.mean_job_ms("bellhop.deliver"),
        "receipts_mean_ms": ours.mean_job_ms("bellhop.receipts"),
    }
    return Result("latency", parameters, figures, {"post_answered_p50_ms": median(posts), **jobs})


def _window(ours: Stack, load: WebSocketLoad, *, rate: int, count: int) -> tuple[Seen, float]:
    load.reset()
    answered = []
    begin = time.monotonic()
    for number in range(count):
        # Spread a little, so that no timer of a process beats in step with us.
        due = begin + (number + random.random() * 0.5) / rate
        time.sleep(max(0.0, due - time.monotonic()))
        started = time.monotonic()
        ours.notify(f"u{random.randrange(_USERS)}", padded(_PAYLOAD))
        answered.append((time.monotonic() - started) * 1e3)
    seen = load.wait(count, 10)
    if seen.frames != count or seen.gaps or seen.duplicates:
        raise BenchError(
            f"latency: {seen.frames} of {count} frames, {seen.gaps} gaps, {seen.duplicates} duplicates"
        )
    return seen, median(answered)
