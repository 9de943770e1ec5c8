"""D6: the power of Redis is cut. With `appendfsync always` nothing is lost, with `everysec` the last second may be."""

import time

from drills.cases.worker_deaths import REDELIVERY_S
from drills.drill import Control, Drill, Result, Setup
from drills.frame import Frame

ALLOWED_S = 2.0
"""`everysec` syncs each second, and begins the next one only when the last has ended."""


def _cuts(frame: Frame) -> list[float]:
    """Cut while all is in the journal because no worker takes it off, then while one does; tells when the cuts were."""
    users = frame.people(frame["users"])
    frame.watch(users)
    cuts = []
    for cut in range(frame["cuts"]):
        if cut % 2 == 0:
            frame.system.hold("worker", patience=0)
        sender = frame.send(frame.anybody(users), rate=frame["rate"], threads=8)
        frame.between(3.0, 5.0)
        with frame.harm("power cut"):
            cuts.append(time.monotonic())
            frame.power.cut(frame.redis)
            frame.pause(0.5)
            frame.redis.start()
        frame.pause(1.0)
        sender.stop()
        frame.system.release("worker")
        frame.ready("worker")
    frame.settle(frame["settle_s"])
    return cuts


def durable(frame: Frame) -> Result:
    """With `appendfsync always`: what was answered with 202 is on the disk."""
    _cuts(frame)
    return frame.result(cuts=frame["cuts"], accept_p50_ms=_ms(frame.ledger.answer_seconds(0.5)))


def fast(frame: Frame) -> Result:
    """With `appendfsync everysec`: what was accepted earlier than the last two seconds is on the disk."""
    cuts = _cuts(frame)
    ages = sorted(age for line in _lost(frame) if (age := _age(line, cuts)) is not None)
    oldest = ages[-1] if ages else 0.0
    return frame.result(
        (f"nothing lost that was accepted more than {ALLOWED_S:g} s before the cut", oldest <= ALLOWED_S),
        may_lose=True,
        cuts=frame["cuts"],
        oldest_lost_s=round(oldest, 2),
        accept_p50_ms=_ms(frame.ledger.answer_seconds(0.5)),
    )


def _lost(frame: Frame) -> list[float]:
    """When those were accepted that no screen shows."""
    missing = frame.missing_numbers()
    return [line.accepted_at or 0.0 for line in frame.ledger.accepted() if line.number in missing]


def _age(accepted_at: float, cuts: list[float]) -> float | None:
    """How long before the next cut something was accepted."""
    after = [cut for cut in cuts if cut >= accepted_at]
    return min(after) - accepted_at if after else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


ALWAYS = {"appendfsync": "always"}
DRILLS = (
    Drill(
        name="D6",
        title="power cut of Redis, appendfsync always",
        run=durable,
        setup=Setup(durable=True, redis=ALWAYS),
        default={"cuts": 3, "users": 20, "rate": 100.0, "settle_s": REDELIVERY_S},
        quick={"cuts": 1},
        controls=(
            Control(
                name="everysec",
                removes="the fsync before the 202",
                breaks="nothing lost",
                redis={"appendfsync": "everysec"},
                parameters={"settle_s": 30.0},
            ),
        ),
    ),
    Drill(
        name="D6-everysec",
        title="power cut of Redis, appendfsync everysec",
        run=fast,
        setup=Setup(durable=True),
        default={"cuts": 3, "users": 20, "rate": 100.0, "settle_s": 45.0},
        quick={"cuts": 1},
        controls=(
            Control(
                name="no fsync",
                removes="the fsync each second",
                breaks="nothing lost that",
                redis={"appendfsync": "no"},
                parameters={"settle_s": 30.0},
            ),
        ),
    ),
)
