"""D36: many writers give numbers to the same streams and are killed; no reader sees a number before the one below."""

import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress

from drills.cases.worker_deaths import REDELIVERY_S
from drills.drill import Control, Drill, Result, Setup
from drills.frame import Frame
from drills.http import Http
from drills.inboxes import Readers, everything, faults
from drills.sender import Order
from launcher.waiting import wait_for

WRITERS = 16
"""Half of them in each of the two worker processes, which take different priorities."""
PRIORITIES = ("normal", "bulk")


def numbering(frame: Frame) -> Result:
    """Write to a few inboxes from everywhere at once, kill writers, and look at those inboxes all the while."""
    users = frame.people(frame["users"])
    hot = users[: frame["hot"]]
    frame.watch(hot)
    readers = Readers(lambda user: _as_user(frame, user), hot, threads=frame["readers"])
    sender = frame.send(_crowded(frame, users, hot), rate=frame["rate"], threads=WRITERS)
    until = time.monotonic() + frame["seconds"]
    while time.monotonic() < until:
        frame.between(1.0, frame["rest_s"])
        _kill_a_writer(frame)
    sender.stop()
    frame.settle(frame["settle_s"])
    readers.stop()
    wrong = _audit(frame, users, seconds=frame["settle_s"])
    deliveries = sum(len(line.users or ()) for line in frame.ledger.accepted())
    return frame.result(
        ("no reader sees a number before the one below it", not readers.early and readers.looks > 0),
        ("no number of a stream left out", wrong["left_out"] == 0),
        ("each inbox holds everything accepted once", wrong["missing"] == wrong["twice"] == 0),
        kills=len(frame.harms),
        deliveries=deliveries,
        looks=readers.looks,
        looks_unanswered=readers.unanswered,
        seen_too_early=len(readers.early),
        wrong_in_inboxes=dict(wrong),
    )


def _crowded(frame: Frame, users: Sequence[str], hot: Sequence[str]) -> Iterator[Order]:
    """Each to some of the few that all write to, and to some of the many; through both worker processes."""
    while True:
        some = {
            *frame.random.sample(hot, frame["hot_each"]),
            *frame.random.sample(users, frame["others_each"]),
        }
        yield tuple(sorted(some)), {"priority": frame.random.choice(PRIORITIES)}


def _kill_a_writer(frame: Frame) -> None:
    """One child of a pool, which may hold locks in the middle of its transaction, or a whole worker process."""
    name = frame.random.choice(("worker", "worker_bulk"))
    # Deaths that follow each other too closely would only show how long a start takes.
    frame.ready(name)
    with suppress(ProcessLookupError), frame.harm(f"a writer of {name} killed"):
        if frame.random.random() < frame["whole"]:
            frame.system.kill(name)
        else:
            os.kill(frame.random.choice(frame.system.children(name)), signal.SIGKILL)


def _as_user(frame: Frame, user: str) -> Http:
    return Http(frame.system.url("api"), frame.system.token(user, ttl=86_400))


def _audit(frame: Frame, users: Sequence[str], *, seconds: float) -> Counter[str]:
    """Every inbox against the ledger, when nothing is under way any more."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for line in frame.ledger.accepted():
        for user in line.users or ():
            wanted[user].add(line.id)
    wrong = Counter[str]()

    def right() -> bool:
        found = {}
        for user in users:
            http = _as_user(frame, user)
            found[user] = everything(http)
            http.close()
        wrong.clear()
        wrong.update(faults(wanted, found))
        return not wrong.total()

    wait_for(right, seconds=seconds, interval=2.0)
    return wrong


DRILLS = (
    Drill(
        name="D36",
        title=f"{WRITERS} writers on the same streams, some of them killed",
        run=numbering,
        setup=Setup(nodes=1, env={"BELLHOP_WORKER_CONCURRENCY": str(WRITERS // 2)}),
        default={
            "seconds": 60.0,
            "users": 1000,
            "hot": 20,
            "hot_each": 3,
            "others_each": 5,
            "readers": 2,
            "rate": 60.0,
            "rest_s": 8.0,
            "whole": 0.25,
            "settle_s": REDELIVERY_S,
        },
        quick={"seconds": 15.0, "users": 200, "rate": 40.0, "settle_s": 60.0},
        full={"rate": 150.0, "seconds": 180.0},
        controls=(
            Control(
                name="early numbers",
                removes="taking the number in the transaction that uses it",
                breaks="no reader sees",
                lines="early_numbers.procfile",
                parameters={"seconds": 30.0, "settle_s": 10.0},
            ),
        ),
    ),
)
