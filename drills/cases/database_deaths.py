"""D5: the database server is killed in the middle of batches, small audiences and big ones."""

import itertools
from collections.abc import Iterator, Sequence

from drills.cases.worker_deaths import REDELIVERY_S, within
from drills.drill import Control, Drill, Result, Setup
from drills.frame import OK, Frame
from drills.sender import Order
from launcher.waiting import wait_for

PAGE = 200
BIG_ONE_IN = 15


def database(frame: Frame) -> Result:
    """Kill PostgreSQL with all its processes; start it a second later, again and again."""
    users = frame.people(frame["users"])
    crowd = frame.people(frame["audience"], prefix="crowd")
    frame.watch(users)
    sender = frame.send(_some_big(frame, users, crowd), rate=frame["rate"])
    for _ in range(frame["kills"]):
        frame.between(1.0, 3.0)
        with frame.harm("PostgreSQL killed"):
            frame.postgres.kill()
            frame.pause(1.0)
            frame.postgres.start()
        frame.ready("worker")
    frame.pause(3.0)
    sender.stop()
    frame.settle(frame["settle_s"])
    half = _half_expanded(frame, seconds=frame["settle_s"])
    recovery = frame.verdict().recovery_s
    return frame.result(
        ("every audience expanded whole", half == 0),
        ("no number of a stream left out", frame.verdict().holes == 0),
        ("answers 202 while the database is away", frame.ledger.statuses().get("503", 0) == 0),
        (f"all shown within {REDELIVERY_S:g} s after the last kill", within(recovery, REDELIVERY_S)),
        kills=frame["kills"],
        big_audiences=sum(len(line.users or ()) > PAGE for line in frame.ledger.accepted()),
        half_expanded=half,
        holes=frame.verdict().holes,
    )


def _some_big(frame: Frame, users: Sequence[str], crowd: Sequence[str]) -> Iterator[Order]:
    """Mostly one user; now and then a crowd of several pages with one of the watched users in it."""
    for number in itertools.count(1):
        user = frame.random.choice(users)
        yield ((user, *crowd) if number % BIG_ONE_IN == 0 else (user,)), {}


def _half_expanded(frame: Frame, *, seconds: float) -> int:
    """Notifications whose deliveries, counted over HTTP, are fewer or more than they have receivers."""
    http = frame.http()

    def wrong() -> int:
        found = 0
        for line in frame.ledger.accepted():
            answer = http.get(f"/v1/notifications/{line.id}")
            counted = sum(answer.body["counts"].values()) if answer.status == OK else -1
            found += counted != len(line.users or ())
        return found

    wait_for(lambda: wrong() == 0, seconds=seconds, interval=2.0)
    found = wrong()
    http.close()
    return found


DRILLS = (
    Drill(
        name="D5",
        title="kill -9 of PostgreSQL under load",
        run=database,
        setup=Setup(
            database="own-postgresql",
            env={"BELLHOP_PAGE_SIZE": str(PAGE), "BELLHOP_WORKER_CONCURRENCY": "2"},
        ),
        default={"kills": 10, "users": 30, "audience": 900, "rate": 25.0, "settle_s": REDELIVERY_S},
        quick={"kills": 2},
        controls=(
            Control(
                name="early clear",
                removes="keeping the journal entry until the commit",
                breaks="nothing lost",
                lines="early_clear.procfile",
                parameters={"settle_s": 30.0},
            ),
        ),
    ),
)
