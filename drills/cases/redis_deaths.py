"""D3, D4 and D9: Redis is killed, everything is killed at once, and Redis is full; always under load."""

from drills.cases.worker_deaths import REDELIVERY_S, within
from drills.drill import Control, Drill, Result
from drills.frame import Frame

WITHOUT_FILE = Control(
    name="no append-only file",
    removes="the append-only file",
    breaks="nothing lost",
    redis={"appendonly": "no"},
    parameters={"settle_s": 30.0},
)


def redis(frame: Frame) -> Result:
    """Kill Redis and start it again a second later, again and again; the worker is frozen first.

    An idle worker has stored everything within milliseconds, and a Redis that forgets all would not be noticed.
    """
    users = frame.people(frame["users"])
    frame.watch(users)
    sender = frame.send(frame.mixed(users), rate=frame["rate"])
    for _ in range(frame["kills"]):
        frame.between(2.0, 4.0)
        with frame.harm("Redis killed"):
            with frame.frozen("worker"):
                frame.pause(1.0)
                frame.redis.kill()
            frame.pause(1.0)
            frame.redis.start()
        frame.ready("worker")
    frame.pause(3.0)
    sender.stop()
    frame.settle(frame["settle_s"])
    flow = frame.flow_s()
    return frame.result(
        (f"notifications flow again within {frame['flow_s']:g} s", within(flow, frame["flow_s"])),
        ("every 503 says when to come back", frame.ledger.without_retry_after() == 0),
        kills=frame["kills"],
        flows_again_s=flow,
    )


def everything(frame: Frame) -> Result:
    """Kill every process and every client at once, then start them in any order; the worker is frozen first."""
    users = frame.people(frame["users"])
    crowd = frame.watch(users)
    sender = frame.send(frame.mixed(users), rate=frame["rate"])
    for _ in range(frame["kills"]):
        frame.between(2.0, 4.0)
        with frame.harm("everything killed"):
            names = list(frame.system.pids())
            with frame.frozen("worker"):
                frame.pause(0.5)
                crowd.kill()
                frame.redis.kill()
                for name, index in names:
                    frame.system.hold(name, index, patience=0)
            frame.random.shuffle(names)
            half = len(names) // 2
            for name, index in names[:half]:
                frame.system.release(name, index)
            frame.redis.start()
            for name, index in names[half:]:
                frame.system.release(name, index)
            crowd.start()
        frame.system.ready()
    frame.pause(3.0)
    sender.stop()
    frame.settle(frame["settle_s"])
    return frame.result(kills=frame["kills"], flows_again_s=frame.flow_s())


def full(frame: Frame) -> Result:
    """Redis refuses every write for a while because its memory is full."""
    users = frame.people(frame["users"])
    frame.watch(users)
    sender = frame.send(frame.mixed(users), rate=frame["rate"])
    for _ in range(frame["times"]):
        frame.pause(3.0)
        with frame.harm("Redis full"), frame.redis.client() as client:
            client.config_set("maxmemory", "1mb")
            frame.pause(frame["seconds"])
            client.config_set("maxmemory", "0")
    frame.pause(5.0)
    sender.stop()
    frame.settle(frame["settle_s"])
    flow = frame.flow_s()
    refused = frame.ledger.statuses().get("503", 0)
    slowest = frame.ledger.answer_seconds(0.99, since=frame.harms[0].began, until=frame.harms[-1].ended)
    return frame.result(
        ("the api refuses with 503", refused > 0),
        ("every 503 says when to come back", frame.ledger.without_retry_after() == 0),
        ("answers within a second while Redis is full", within(slowest, 1.0)),
        (f"notifications flow again within {frame['flow_s']:g} s", within(flow, frame["flow_s"])),
        seconds_full=frame["seconds"] * frame["times"],
        flows_again_s=flow,
        answer_p99_s=slowest,
    )


DRILLS = (
    Drill(
        name="D3",
        title="kill -9 of Redis under load",
        run=redis,
        default={"kills": 10, "users": 40, "rate": 30.0, "settle_s": REDELIVERY_S, "flow_s": 5.0},
        quick={"kills": 2, "users": 10, "rate": 15.0, "flow_s": 20.0},
        controls=(WITHOUT_FILE,),
    ),
    Drill(
        name="D4",
        title="kill -9 of everything at once",
        run=everything,
        default={"kills": 3, "users": 40, "rate": 30.0, "settle_s": REDELIVERY_S},
        full={"kills": 10},
        controls=(WITHOUT_FILE,),
    ),
    Drill(
        name="D9",
        title="Redis is full",
        run=full,
        default={
            "times": 1,
            "seconds": 30.0,
            "users": 40,
            "rate": 30.0,
            "settle_s": REDELIVERY_S,
            "flow_s": 5.0,
        },
        quick={"seconds": 5.0, "users": 10, "rate": 15.0, "flow_s": 20.0},
        controls=(
            Control(
                name="blind api",
                removes="202 only after the journal has confirmed",
                breaks="nothing lost",
                lines="blind_api.procfile",
                parameters={"settle_s": 30.0},
            ),
        ),
    ),
)
