"""D7: a message that a dead worker had taken is given out again by the broker alone; and what an idle path takes."""

import time
from typing import Any

import redis

from drills.cases.worker_deaths import within
from drills.drill import Control, Drill, Result
from drills.frame import Frame
from drills.sender import send
from drills.verdict import percentile
from shared.protocol.jobs import Queue
from workers.celery_settings import VISIBILITY_TIMEOUT_S

BOUND_S = 10.0
UNACKED, INDEX = "unacked", "unacked_index"
"""Where Celery keeps what a worker has taken: the message by its tag, and the tag by the time it was taken."""


def abandoned(frame: Frame) -> Result:
    """Take messages off the queue as a worker would that died long ago, while the living worker looks on."""
    users = frame.people(frame["users"])
    frame.watch(users)
    idle = _idle(frame, users)
    # Without the reconciler, which would bring them back a little later: only the broker can.
    frame.system.hold("beat")
    delays = []
    for _ in range(frame["times"]):
        stolen = _steal(frame, users)
        frame.ready("worker")
        frame.pause(1.0)
        with frame.harm("message abandoned"), frame.redis.client() as client:
            _abandon(client, stolen)
        began = time.monotonic()
        if frame.settle(frame["settle_s"], linger=0.0):
            delays.append(time.monotonic() - began)
    longest = max(delays, default=None)
    return frame.result(
        (f"given out again within {BOUND_S:g} s", len(delays) == frame["times"] and within(longest, BOUND_S)),
        (f"idle p99 under {frame['idle_p99_ms']:g} ms", within(idle, frame["idle_p99_ms"] / 1000)),
        redelivered_after_s=None if longest is None else round(longest, 1),
        idle_p99_ms=None if idle is None else round(idle * 1000, 1),
    )


def _idle(frame: Frame, users: list[str]) -> float | None:
    """p99 from POST to screen with nothing else going on."""
    sender = frame.send(frame.anybody(users), rate=10.0, count=frame["idle"], threads=1)
    sender.join(120.0)
    frame.settle(60.0)
    return percentile(frame.delays({line.number for line in frame.ledger.accepted()}), 0.99)


def _steal(frame: Frame, users: list[str]) -> list[bytes]:
    """Accept for every user while no worker is there, and take the messages off the queue."""
    frame.system.hold("worker")
    http = frame.http()
    for user in users:
        send(frame.ledger, http, [frame.ledger.open((user,))])
    http.close()
    with frame.redis.client() as client:
        stolen: Any = client.lpop(str(Queue.NORMAL), 10_000)
    frame.system.release("worker")
    return list(stolen or ())


def _abandon(client: "redis.Redis", messages: list[bytes]) -> None:
    long_ago = time.time() - VISIBILITY_TIMEOUT_S - 60
    for number, message in enumerate(messages):
        tag = f"drill-{number}-{time.monotonic_ns()}"
        queue = str(Queue.NORMAL).encode()
        client.hset(UNACKED, tag, b"[" + message + b',"","' + queue + b'"]')
        client.zadd(INDEX, {tag: long_ago})


DRILLS = (
    Drill(
        name="D7",
        title="messages that a dead worker had taken",
        run=abandoned,
        default={"times": 3, "users": 10, "idle": 100, "settle_s": 60.0, "idle_p99_ms": 50.0},
        quick={"times": 1, "idle": 20, "idle_p99_ms": 500.0},
        controls=(
            Control(
                name="slow sweep",
                removes="the frequent look for abandoned messages",
                breaks="nothing lost",
                lines="slow_sweep.procfile",
                parameters={"times": 1},
            ),
        ),
    ),
)
