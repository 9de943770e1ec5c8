"""D1 and D2: workers die by `kill -9` while notifications flow; the whole worker, or only the children of its pool."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from drills.databases import stalled
from drills.drill import Control, Drill, Result, Setup
from drills.frame import Frame
from launcher.waiting import wait_for

REDELIVERY_S = 135.0
"""The broker gives an abandoned message out again after 120 s; all must be shown 15 s after that at the latest."""

STORES_S = 30.0
"""A worker has started and stores something long before."""

CONCURRENT = Setup(env={"BELLHOP_WORKER_CONCURRENCY": "2"})


def worker(frame: Frame) -> Result:
    """Kill the worker again and again: while it stores, while Redis hands it a message, or when it happens to be."""
    users = frame.people(frame["users"])
    frame.watch(users)
    sender = frame.send(frame.mixed(users), rate=frame["rate"], count=frame["notifications"])
    for kill in range(frame["kills"]):
        frame.ready("worker")
        frame.between(0.2, 1.5)
        with frame.harm("worker killed"):
            DEATHS[kill % len(DEATHS)](frame)
    sender.join(300.0)
    frame.settle(frame["settle_s"])
    recovery = frame.verdict().recovery_s
    told = frame.followed()
    return frame.result(
        (f"all shown within {REDELIVERY_S:g} s after the last kill", within(recovery, REDELIVERY_S)),
        ("no notification failed", told["failed"] == 0),
        kills=frame["kills"],
        rescued_by_the_reconciler=told["rescued"],
    )


def kill_worker(frame: Frame) -> None:
    """The worker dies, with its pool."""
    frame.system.kill("worker")


def kill_waiting_worker(frame: Frame) -> None:
    """It dies while it waits for a message: Redis takes the next one off the list and hands it to nobody."""
    frame.system.signal(signal.SIGSTOP, "worker")
    frame.pause(0.5)
    frame.system.kill("worker")


def kill_storing_worker(frame: Frame) -> None:
    """It dies in the middle of a transaction, and its successor in one with all that has piled up since."""
    if not frame.database_url:
        kill_worker(frame)
        return
    with stalled(frame.database_url) as waiting:
        seen = set[int]()
        for _ in range(2):
            # The database goes on waiting for the dead: only another process of it shows that somebody stores again.
            wait_for(partial(_grown, waiting, seen), seconds=STORES_S)
            seen = waiting()
            frame.system.kill("worker")


def _grown(waiting: Callable[[], set[int]], seen: set[int]) -> bool:
    return not waiting() <= seen


DEATHS = (kill_storing_worker, kill_waiting_worker, kill_worker)


def children(frame: Frame) -> Result:
    """Kill only the children of the pool."""
    users = frame.people(frame["users"])
    frame.watch(users)
    sender = frame.send(frame.mixed(users), rate=frame["rate"], count=frame["notifications"])
    killed = 0
    for _ in range(frame["kills"]):
        frame.ready("worker")
        frame.between(0.2, 1.0)
        with frame.harm("pool killed"), suppress(ProcessLookupError):
            for pid in frame.system.children("worker"):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    sender.join(300.0)
    frame.settle(frame["settle_s"])
    recovery = frame.verdict().recovery_s
    told = frame.followed()
    return frame.result(
        (f"all shown within {REDELIVERY_S:g} s after the last kill", within(recovery, REDELIVERY_S)),
        ("no notification failed", told["failed"] == 0),
        children_killed=killed,
        rescued_by_the_reconciler=told["rescued"],
    )


def within(recovery: float | None, seconds: float) -> bool:
    """Whether the system recovered at all, and in time."""
    return recovery is not None and recovery <= seconds


DRILLS = (
    Drill(
        name="D1",
        title="kill -9 of the worker under load",
        run=worker,
        setup=CONCURRENT,
        default={"notifications": 2000, "kills": 10, "users": 40, "rate": 40.0, "settle_s": REDELIVERY_S},
        quick={"notifications": 160, "kills": 2, "users": 10, "rate": 20.0, "settle_s": 60.0},
        full={"notifications": 10_000, "kills": 20, "rate": 100.0},
        controls=(
            Control(
                name="no reconciler",
                removes="the reconciler",
                breaks="nothing lost",
                lines="no_reconciler.procfile",
            ),
        ),
    ),
    Drill(
        name="D2",
        title="kill -9 of the children of the worker's pool under load",
        run=children,
        setup=CONCURRENT,
        default={"notifications": 1000, "kills": 20, "users": 40, "rate": 40.0, "settle_s": REDELIVERY_S},
        full={"notifications": 10_000, "kills": 60, "rate": 100.0},
        controls=(
            Control(
                name="early clear",
                removes="keeping the journal entry until the commit",
                breaks="nothing lost",
                lines="early_clear.procfile",
                parameters={"settle_s": 45.0},
            ),
        ),
    ),
)
