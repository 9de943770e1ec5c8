"""Resume within the tail: clients come back with a position and get what they missed without the database.

The workers are frozen while the clients come back, so nothing could ask the database on the node's behalf; the counters
of the database and of the queues are read as well.
"""

from collections.abc import Iterator

from bench.context import Context
from bench.load_tools import WebSocketLoad
from bench.played_node import make_known
from bench.processes import BenchError
from bench.publishing import padded
from bench.report import Result, median, note
from bench.stack import Stack, stack

_MISSED = 10


def run(context: Context) -> Iterator[Result]:
    """One result for the clients of one node."""
    users = [f"r{i}" for i in range(200 if context.quick else 1000)]
    seconds, sessions, jobs = [], 0, 0
    with stack(context, nodes=1, under_test=("node",)) as ours:
        make_known(ours, users)
        with WebSocketLoad(ours.sockets(users)) as load:
            load.wait(len(users), 20)
            _notify_all(ours, users, load)
        for number in range(context.windows):
            took, sql, queued = _come_back(ours, users, ours.here(me=1))
            seconds.append(took)
            sessions, jobs = max(sessions, sql), max(jobs, queued)
            note(
                f"  resume {number}: {took * 1e3:.0f} ms for {len(users)} clients, {sql} SQL sessions, {queued} jobs"
            )
    figures = {
        "sql_sessions": float(sessions),
        "replay_jobs": float(jobs),
        "ms_per_client": median(seconds) * 1e3 / len(users),
        "clients_per_second": len(users) / median(seconds),
    }
    parameters = {
        "clients": len(users),
        "missed_frames_each": _MISSED,
        "windows": context.windows,
        "database": context.database_kind,
    }
    yield Result("resume", parameters, figures)


def _notify_all(ours: Stack, users: list[str], load: WebSocketLoad) -> None:
    load.reset()
    for _ in range(_MISSED):
        ours.notify_each(users, [padded(200) for _ in users])
    seen = load.wait(len(users) * _MISSED, 60)
    if seen.frames != len(users) * _MISSED:
        raise BenchError(f"resume: {seen.frames} of {len(users) * _MISSED} frames arrived in the first place")


def _come_back(ours: Stack, users: list[str], since: str) -> tuple[float, int, int]:
    """Connect with a position; (seconds until the last missed frame, sessions that ran SQL, replay and sync jobs)."""
    database = ours.database
    expected = len(users) * _MISSED
    ours.settle()
    with ours.frozen("worker", "worker_bulk", "beat"):
        began = database.now() if database else ""
        jobs = ours.queued("replay")
        with WebSocketLoad(ours.sockets(users, since=since)) as load:
            seen = load.wait(expected, 30)
            if seen.frames != expected or seen.recovered != len(users) or seen.gaps or seen.duplicates:
                raise BenchError(f"resume: {seen}")
            sql = database.sessions_since(began) if database else 0
        return (seen.last - seen.since) / 1e9, sql, ours.queued("replay") - jobs
