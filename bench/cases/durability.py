"""What `appendfsync always` costs the intake: the same POSTs, the same Redis, its two settings in turn.

With `always` Redis answers after the disk has it. A group of requests waits for the disk once, so what one caller pays
in full is shared by many.
"""

from collections.abc import Iterator

from bench.cases.intake import Side, Window, window
from bench.context import Context
from bench.report import Result, median, note, ratio_of_medians
from bench.stack import stack

_SETTINGS = ("everysec", "always")


def run(context: Context) -> Iterator[Result]:
    """One caller that waits for each answer, then 64 at once."""
    with stack(context, nodes=1, under_test=("api",)) as ours:
        ours.rest("node", "worker", "worker_bulk", "beat", "flower")
        side = Side("bellhop", ours.api_port, ours.key, ours.pids("api"))
        for connections in (1, 64):
            yield _compare(context, side, connections)


def _compare(context: Context, side: Side, connections: int) -> Result:
    seconds = 1.5 if context.quick else 3.0
    requests = side.singles()
    found: dict[str, list[Window]] = {setting: [] for setting in _SETTINGS}
    for number in range(context.windows + 1):
        for setting in _SETTINGS:
            with context.valkey.client() as client:
                client.config_set("appendfsync", setting)
            seen = window(context, side, requests, connections=connections, seconds=seconds)
            note(f"  {setting:10} {connections:3} callers {seen.seen.per_second:8.0f} requests/s")
            if number:
                found[setting].append(seen)
    rates = {setting: [one.seen.per_second for one in windows] for setting, windows in found.items()}
    figures = {"always_of_everysec": ratio_of_medians(rates["always"], rates["everysec"])}
    for setting, windows in found.items():
        figures |= {
            f"{setting}_per_second": median(rates[setting]),
            f"{setting}_p50_ms": median([one.seen.p50_ms for one in windows]),
            f"{setting}_p99_ms": median([one.seen.p99_ms for one in windows]),
        }
    parameters = {"connections": connections, "seconds": seconds, "windows": context.windows}
    return Result("durability", parameters, figures, {})
