"""Intake: POSTs accepted each second by one API process, one notification or many in a request.

Beside ours run Falcon doing nothing (the ceiling), Falcon with one Celery job per request (the obvious way) and Express
with zod and BullMQ (`add`, `addBulk`). The workers stand still meanwhile: this is about accepting.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import orjson

from bench import machine, peers
from bench.context import Context
from bench.load_tools import HttpSeen, http_load, post
from bench.processes import BenchError, Child
from bench.report import Result, median, note, ratio_of_medians
from bench.services import empty_queues
from bench.stack import Stack, stack

CONNECTIONS = 64
_OURS = "bellhop"
_USERS = 1000
_BODIES = 500
_ROUTE = "/v1/notifications"
_PAYLOAD = {"t": 1, "pad": "x" * 183}


@dataclass(frozen=True, slots=True)
class Side:
    """One API process with its requests."""

    name: str
    port: int
    key: str
    pids: list[int]

    def singles(self) -> list[bytes]:
        """Requests with one notification each."""
        return [self._request(_ROUTE, _notification()) for _ in range(_BODIES)]

    def batches(self, size: int) -> list[bytes]:
        """Requests with `size` notifications each."""
        return [
            self._request(f"{_ROUTE}/batch", {"notifications": [_notification() for _ in range(size)]})
            for _ in range(8)
        ]

    def _request(self, path: str, body: object) -> bytes:
        headers = {"Authorization": f"Bearer {self.key}"}
        return post(path, orjson.dumps(body), port=self.port, headers=headers)


@dataclass(frozen=True, slots=True)
class Window:
    """What the load client saw, and what the process spent on each request."""

    seen: HttpSeen
    cpu_us: float


def run(context: Context) -> Iterator[Result]:
    """Single POSTs, then batches of 100 and of 1000."""
    with ExitStack() as exits:
        ours = exits.enter_context(stack(context, nodes=1, under_test=("api",)))
        ours.rest("node", "worker", "worker_bulk", "beat", "flower")
        sides = _sides(context, exits, ours)
        yield _singles(context, sides)
        with_batches = [side for side in sides if side.name in {"bellhop", "express"}]
        for size, connections in ((100, 16), (1000, 4)):
            yield _batches(context, with_batches, size, connections)


def _sides(context: Context, exits: ExitStack, ours: Stack) -> list[Side]:
    sides = [Side("bellhop", ours.api_port, ours.key, ours.pids("api"))]
    starters: list[tuple[str, int, Callable[[], AbstractContextManager[Child]]]] = [
        ("falcon_noop", peers.NOOP_PORT, peers.noop_api),
        ("celery_job_per_request", peers.NAIVE_PORT, lambda: peers.naive_api(context.valkey)),
    ]
    if peers.available():
        starters.append(("express", peers.EXPRESS_PORT, lambda: peers.express(context.valkey)))
    for name, port, start in starters:
        child = exits.enter_context(start())
        sides.append(Side(name, port, peers.KEY, machine.descendants(child.pid)))
    for side in sides:
        for pid in side.pids:
            machine.pin(pid, {machine.SERVER_CORE})
    return sides


def window(context: Context, side: Side, requests: Sequence[bytes], **bounds: float) -> Window:
    """Load one side for a while, and forget what it accepted. Raises BenchError if it refused anything."""
    cpu = machine.cpu_us(side.pids)
    seen = http_load(
        requests,
        port=side.port,
        connections=int(bounds["connections"]),
        seconds=bounds["seconds"],
        limit=int(bounds.get("limit", 0)),
    )
    empty_queues(context.valkey)
    if seen.ok == 0 or seen.other or seen.unavailable or seen.broken:
        raise BenchError(f"{side.name}: {seen}")
    return Window(seen, (machine.cpu_us(side.pids) - cpu) / seen.ok)


def _rounds(
    context: Context, sides: list[Side], requests: dict[str, list[bytes]], **bounds: float
) -> dict[str, list[Window]]:
    """Alternate the sides; the first round warms up and is not counted."""
    found: dict[str, list[Window]] = {side.name: [] for side in sides}
    for number in range(context.windows + 1):
        for side in sides:
            seen = window(context, side, requests[side.name], **bounds)
            note(f"  {side.name:24} {seen.seen.per_second:8.0f} requests/s {seen.cpu_us:6.0f} us each")
            if number:
                found[side.name].append(seen)
    return found


def _singles(context: Context, sides: list[Side]) -> Result:
    seconds = 1.5 if context.quick else 3.0
    requests = {side.name: side.singles() for side in sides}
    found = _rounds(context, sides, requests, connections=CONNECTIONS, seconds=seconds)
    figures = {"per_second": median([window.seen.per_second for window in found[_OURS]])}
    for name in found.keys() - {_OURS}:
        figures |= _ratios("of" if name == "falcon_noop" else "over", name, found[_OURS], found[name])
    parameters = {
        "connections": CONNECTIONS,
        "seconds": seconds,
        "windows": context.windows,
        "payload_bytes": len(orjson.dumps(_PAYLOAD)),
        "recipients": 1,
    }
    return Result(
        "intake", parameters, figures, {name: _table(windows, 1) for name, windows in found.items()}
    )


def _batches(context: Context, sides: list[Side], size: int, connections: int) -> Result:
    # The journal refuses above 200,000 entries, as it should; the window ends before.
    bounds = {"connections": connections, "seconds": 1.0 if context.quick else 2.0, "limit": 120_000 // size}
    found = _rounds(context, sides, {side.name: side.batches(size) for side in sides}, **bounds)
    figures = {"notifications_per_second": size * median([window.seen.per_second for window in found[_OURS]])}
    if "express" in found:
        figures |= _ratios("over", "add_bulk", found[_OURS], found["express"])
    parameters = {**bounds, "windows": context.windows, "batch": size}
    detail = {name: _table(windows, size) for name, windows in found.items()}
    return Result(f"intake_batch_{size}", parameters, figures, detail)


def _ratios(word: str, name: str, ours: list[Window], theirs: list[Window]) -> dict[str, float]:
    """By rate, which is what counts, and by processor time, which a busy machine disturbs less."""
    rates = [[window.seen.per_second for window in windows] for windows in (ours, theirs)]
    costs = [[window.cpu_us for window in windows] for windows in (ours, theirs)]
    return {
        f"{word}_{name}": ratio_of_medians(rates[0], rates[1]),
        f"{word}_{name}_by_cpu": ratio_of_medians(costs[1], costs[0]),
    }


def _table(windows: list[Window], size: int) -> dict[str, float]:
    return {
        "notifications_per_second": size * median([window.seen.per_second for window in windows]),
        "cpu_us_per_request": median([window.cpu_us for window in windows]),
        "p50_ms": median([window.seen.p50_ms for window in windows]),
        "p99_ms": median([window.seen.p99_ms for window in windows]),
        "load_client_busy": median([window.seen.cpu_us / window.seen.seconds / 1e6 for window in windows]),
    }


def _notification() -> dict[str, object]:
    user = f"u{random.randrange(_USERS)}"
    return {"to": {"users": [user]}, "event": "bench.intake", "data": _PAYLOAD}
