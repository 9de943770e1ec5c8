"""D30: one sender fills the bulk queue; what is critical does not wait behind it."""

from drills.cases.worker_deaths import within
from drills.drill import Control, Drill, Result
from drills.frame import Frame
from drills.sender import send
from drills.verdict import percentile

BATCH = 5
"""So few, because what waits are jobs: one for each request, or for some that came together."""


def noisy(frame: Frame) -> Result:
    """Accept thousands of bulk notifications while no worker is there, and critical ones while those are stored."""
    watched = frame.people(frame["users"])
    urgent = frame.people(3, prefix="urgent")
    known = [*watched, *frame.people(frame["absent"], prefix="absent")]
    frame.watch([*watched, *urgent])
    for name in ("worker", "worker_bulk"):
        frame.system.hold(name)
    flood = frame.send(
        frame.one_each(known, priority="bulk"), rate=1e9, count=frame["bulk"], threads=8, batch=BATCH
    )
    flood.join(240.0)
    waiting = len(frame.ledger.accepted())
    for name in ("worker", "worker_bulk"):
        frame.system.release(name)
        frame.ready(name)
    http, critical = frame.http(), []
    for _ in range(frame["critical"]):
        line = frame.ledger.open((frame.random.choice(urgent),), priority="critical")
        critical.append(line.number)
        send(frame.ledger, http, [line])
        frame.pause(0.1)
    still = frame.missing()
    http.close()
    frame.settle(frame["settle_s"])
    delays = frame.delays(set(critical))
    p99 = percentile(delays, 0.99)
    return frame.result(
        (f"critical p99 under {frame['p99_s']:g} s", within(p99, frame["p99_s"])),
        ("bulk waited all the while", still > 0),
        bulk_waiting=waiting,
        bulk_missing_on_screens_at_the_end=still,
        critical=len(delays),
        critical_p50_ms=_ms(percentile(delays, 0.5)),
        critical_p99_ms=_ms(p99),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


DRILLS = (
    Drill(
        name="D30",
        title="20,000 bulk notifications wait, critical ones come",
        run=noisy,
        default={
            "bulk": 20_000,
            "users": 10,
            "absent": 490,
            "critical": 30,
            "p99_s": 2.0,
            "settle_s": 240.0,
        },
        quick={"bulk": 5_000, "critical": 10},
        full={"critical": 100},
        controls=(
            Control(
                name="one queue",
                removes="a queue for each priority",
                lines="one_queue.procfile",
                breaks="critical p99",
            ),
        ),
    ),
)
