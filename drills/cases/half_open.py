"""D8: connections to Redis that are dead without a word: of the worker, of the api, of a node."""

import time
from typing import Any

from drills.cases.worker_deaths import REDELIVERY_S, within
from drills.drill import Control, Drill, Result, Setup
from drills.frame import Frame

CONSUMES_S = 35.0
ANSWERS_S = 1.5


def half_open(frame: Frame) -> Result:
    """First the worker's connections die silently, then the node's, then all that the api sends vanishes a while."""
    users = frame.people(frame["users"])
    frame.watch(users)
    sender = frame.send(frame.mixed(users), rate=frame["rate"])
    figures: dict[str, Any] = {}
    for name in ("worker", "node"):
        frame.pause(5.0)
        with frame.harm(f"{name} half open"):
            frame.proxies[name].half_open()
        figures[f"{name}_flows_again_s"] = again = _flows_again(frame, seconds=CONSUMES_S * 2)
        if again is None:
            break
    frame.pause(2.0)
    with frame.harm("api in a black hole"):
        began = time.monotonic()
        frame.proxies["api"].hole()
        frame.pause(frame["hole_s"])
        ended = time.monotonic()
        frame.proxies["api"].heal()
    slowest = frame.ledger.answer_seconds(0.99, since=began, until=ended)
    figures["api_flows_again_s"] = _flows_again(frame, seconds=60.0)
    sender.stop()
    frame.settle(frame["settle_s"])
    return frame.result(
        (
            f"a worker consumes again within {CONSUMES_S:g} s",
            within(figures["worker_flows_again_s"], CONSUMES_S),
        ),
        (
            f"a node hears again within {CONSUMES_S:g} s",
            within(figures.get("node_flows_again_s"), CONSUMES_S),
        ),
        (f"the api answers within {ANSWERS_S:g} s", within(slowest, ANSWERS_S)),
        ("every 503 says when to come back", frame.ledger.without_retry_after() == 0),
        answer_p99_s=None if slowest is None else round(slowest, 3),
        hole_s=frame["hole_s"],
        **figures,
    )


def _flows_again(frame: Frame, *, seconds: float) -> float | None:
    """Seconds from the end of the last harm until every device was shown something that was asked for after it."""
    since = frame.harms[-1].ended
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        newer = {line.number for line in frame.ledger.accepted() if line.asked_at >= since}
        if frame.all_screens_show_one_of(newer):
            return round(time.monotonic() - since, 1)
        frame.pause(0.2)
    return None


DRILLS = (
    Drill(
        name="D8",
        title="half-open connections to Redis",
        run=half_open,
        setup=Setup(
            nodes=1,
            lines="behind_proxies.procfile",
            proxies=("worker", "node", "api"),
            env={
                "DRILL_WORKER_REDIS": "redis://127.0.0.1:{worker}/0",
                "DRILL_NODE_REDIS": "redis://127.0.0.1:{node}/0",
                "DRILL_API_REDIS": "redis://127.0.0.1:{api}/0",
            },
        ),
        default={"users": 10, "rate": 20.0, "hole_s": 20.0, "settle_s": REDELIVERY_S},
        full={"hole_s": 60.0},
        quick={"hole_s": 5.0},
        controls=(
            Control(
                name="no deadlines",
                removes="the deadlines on the worker's connection to the broker",
                breaks="nothing lost",
                lines="no_deadlines.procfile",
                parameters={"settle_s": 5.0},
            ),
        ),
    ),
)
