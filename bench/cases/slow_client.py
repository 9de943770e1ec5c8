"""One client that stops reading: what do the others notice?

Fifty clients get broadcasts of 64 KiB; after a first half one of them stops reading. The others' p99 of the second half
is compared with the first. The stopped one must be dropped: once the kernel has taken its 3 MiB, at the outbox's bound.
"""

import time
from collections.abc import Iterator

from bench.context import Context
from bench.load_tools import Seen, WebSocketLoad
from bench.processes import BenchError
from bench.publishing import padded
from bench.report import Result, median, note
from bench.stack import Stack, stack

_CLIENTS = 50
_PAYLOAD = 64 * 1024
_RATE = 20


def run(context: Context) -> Iterator[Result]:
    """One result."""
    count = 80 if context.quick else 120
    before: list[Seen] = []
    after: list[Seen] = []
    with stack(context, nodes=1, under_test=("node",)) as ours:
        for number in range(context.windows):
            names = [f"s{number}-{i}" for i in range(_CLIENTS)]
            with WebSocketLoad(ours.sockets(names, since=ours.here()), small=1) as load:
                _phase(ours, load, 20, expected=20 * _CLIENTS)
                before.append(_phase(ours, load, count, expected=count * _CLIENTS))
                load.stall(1)
                after.append(_phase(ours, load, count, expected=count * (_CLIENTS - 1)))
                note(f"  slow client: p99 {before[-1].p99_ms:.2f} ms before, {after[-1].p99_ms:.2f} ms after")
        dropped = ours.metric("node", "slow_disconnects_total")
    figures = {
        "p99_after_over_before": median([seen.p99_ms for seen in after])
        / median([seen.p99_ms for seen in before]),
        "p99_before_ms": median([seen.p99_ms for seen in before]),
        "p99_after_ms": median([seen.p99_ms for seen in after]),
        "dropped": dropped,
    }
    parameters = {
        "clients": _CLIENTS,
        "stopped": 1,
        "payload_bytes": _PAYLOAD,
        "broadcasts_per_second": _RATE,
        "broadcasts": count,
        "windows": context.windows,
        "database": context.database_kind,
    }
    detail = {
        "p50_before_ms": median([seen.p50_ms for seen in before]),
        "p50_after_ms": median([seen.p50_ms for seen in after]),
    }
    yield Result("slow_client", parameters, figures, detail)


def _phase(ours: Stack, load: WebSocketLoad, count: int, *, expected: int) -> Seen:
    load.reset()
    begin = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begin + number / _RATE - time.monotonic()))
        ours.notify(None, padded(_PAYLOAD))
    seen = load.wait(expected, 20)
    if seen.frames != expected or seen.gaps:
        raise BenchError(f"slow_client: {seen.frames} of {expected} frames, {seen.gaps} gaps")
    return seen
