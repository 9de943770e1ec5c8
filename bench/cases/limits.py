"""What limits cost the intake: the same POSTs to two apis in turn, one without limits, one with a limit and two quotas.

The limits are taken in the Redis call that writes the journal, so what is to be seen is their share of that script and
of telling the sender how they stand. They are wide enough to refuse nothing.
"""

import sys
from collections.abc import Iterator

from bench import machine
from bench.cases.intake import CONNECTIONS, Side, Window, window
from bench.context import Context
from bench.processes import Child, wait_for_port
from bench.report import Result, median, note, ratio_of_medians
from bench.services import BASE_PORT
from bench.stack import Stack, stack
from launcher.system import ROOT

_PORT = BASE_PORT + 26
_LIMITS = {
    "BELLHOP_LIMIT_KEY": "100000000/1h",
    "BELLHOP_QUOTA_KEY": "100000000/1d",
    "BELLHOP_QUOTA_APP": "100000000/1d",
}


def run(context: Context) -> Iterator[Result]:
    """One notification in a request, then a hundred."""
    with stack(context, nodes=1, under_test=("api",)) as ours, _limited_api(ours) as limited:
        ours.rest("node", "worker", "worker_bulk", "beat", "flower")
        wait_for_port(_PORT)
        sides = [
            Side("free", ours.api_port, ours.key, ours.pids("api")),
            Side("limited", _PORT, ours.key, machine.descendants(limited.pid)),
        ]
        for side in sides:
            for pid in side.pids:
                machine.pin(pid, {machine.SERVER_CORE})
        for size, connections in ((1, CONNECTIONS), (100, 16)):
            yield _compare(context, sides, size, connections)


def _limited_api(ours: Stack) -> Child:
    """A second api on the same Redis and database."""
    command = [sys.executable, "-m", "gunicorn", "api.wsgi:app", "--config", "api/gunicorn_conf.py"]
    env = {**ours.system.environment, **_LIMITS, "PORT": str(_PORT)}
    log = ours.system.data.path / "logs" / "api-limited.log"
    return Child(command, core=machine.SERVER_CORE, cwd=ROOT, env=env, errors=log)


def _compare(context: Context, sides: list[Side], size: int, connections: int) -> Result:
    seconds = 1.5 if context.quick else 3.0
    bounds = {"connections": connections, "seconds": seconds, "limit": 120_000 // size}
    requests = {side.name: side.singles() if size == 1 else side.batches(size) for side in sides}
    found: dict[str, list[Window]] = {side.name: [] for side in sides}
    for number in range(context.windows + 1):
        for side in sides:
            seen = window(context, side, requests[side.name], **bounds)
            note(
                f"  {side.name:8} {size:4} {seen.seen.per_second:8.0f} requests/s {seen.cpu_us:6.0f} us each"
            )
            if number:
                found[side.name].append(seen)
    rates = {name: [one.seen.per_second for one in windows] for name, windows in found.items()}
    costs = {name: [one.cpu_us for one in windows] for name, windows in found.items()}
    figures = {
        "limited_of_free": ratio_of_medians(rates["limited"], rates["free"]),
        "limited_of_free_by_cpu": ratio_of_medians(costs["free"], costs["limited"]),
    }
    for name in found:
        figures |= {f"{name}_per_second": median(rates[name]), f"{name}_cpu_us": median(costs[name])}
    return Result("limits", {**bounds, "batch": size, "windows": context.windows}, figures, {})
