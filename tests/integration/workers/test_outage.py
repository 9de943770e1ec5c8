"""The workers are away for five minutes while beat and the reconciler go on: what that costs the queue."""

from dataclasses import replace

import pytest

from shared.protocol.jobs import Deliver, Queue, Reconcile
from shared.redis.journal import Submission
from tests.integration.workers.support import BOUNDS, Stage, entry
from workers.jobs import reconcile

OUTAGE_S = 300
TICK_S = 5


class Clock:
    """Time as the test tells it."""

    def __init__(self, now: int) -> None:
        self.now = now

    def now_ms(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1000


@pytest.mark.parametrize("every_s", [5, 1, 0.2])
def test_five_minutes_without_workers_leave_at_most_two_jobs_an_entry(stage: Stage, every_s: float) -> None:
    clock = Clock(1_800_000_000_000)
    deps = replace(stage.deps(), clock=clock)
    posts, accepted = round(TICK_S / every_s), 0
    for _tick in range(OUTAGE_S // TICK_S):
        for _post in range(posts):
            one = entry("ana", accepted_at=clock.now, expires_at=clock.now + 86_400_000)
            [stored] = stage.journal.accept(
                [Submission([one], [one.encode()])], now_ms=clock.now, bounds=BOUNDS
            )
            assert stored.verdict == "stored"
            stage.queue.enqueue(Deliver(ids=[one.id]))
            accepted += 1
            clock.now += round(every_s * 1000)
        reconcile.run(deps, Reconcile())

    waiting = stage.client.llen(str(Queue.NORMAL))

    assert accepted == OUTAGE_S / every_s
    assert accepted < waiting <= 2 * accepted
