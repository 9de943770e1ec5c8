"""D10 and D11: the node loses what was published: its subscription is cut, or it is too slow for Redis to wait."""

import itertools
import re
from collections.abc import Iterator, Sequence

from drills.cases.worker_deaths import within
from drills.drill import Control, Drill, Result, Setup
from drills.frame import Frame
from drills.sender import Order

CUTS_IN_A_ROW = 4
WITHOUT_POSITIONS = Control(
    name="no position check",
    removes="the comparison of positions",
    breaks="nothing lost",
    lines="no_positions.procfile",
    parameters={"settle_s": 20.0},
)


def cut(frame: Frame) -> Result:
    """Cut the subscriptions of all nodes every other second; a few users get much, many get one notification only.

    Whoever gets much sees the gap by the next frame. Whoever gets nothing more would wait for ever.
    """
    busy = frame.people(frame["busy"], prefix="busy")
    quiet = frame.people(frame["quiet"], prefix="quiet")
    frame.watch([*busy, *quiet])
    sender = frame.send(_mixed(frame, busy, quiet), rate=frame["rate"], batch=frame["batch"])
    with frame.redis.client() as client:
        for _ in range(frame["cuts"]):
            frame.pause(frame["every_s"])
            with frame.harm("subscriptions cut"):
                # Several times in a row: the nodes subscribe again within 0.1 s.
                for _ in range(CUTS_IN_A_ROW):
                    client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                    frame.pause(0.1)
    frame.pause(1.0)
    sender.stop()
    frame.settle(frame["settle_s"])
    verdict = frame.verdict()
    recovery = verdict.recovery_s
    return frame.result(
        (f"gaps repaired within {frame['repaired_s']:g} s", within(recovery, frame["repaired_s"])),
        cuts=frame["cuts"],
        nodes_noticed=_desyncs(frame),
    )


def _mixed(frame: Frame, busy: Sequence[str], quiet: Sequence[str]) -> Iterator[Order]:
    """To the busy; each `one_in`-th to one of the quiet, to each of them once."""
    silent = iter(quiet)
    for number in itertools.count():
        once = next(silent, None) if number % frame["one_in"] == 0 else None
        yield (once or frame.random.choice(busy),), {}


def slow(frame: Frame) -> Result:
    """Freeze a node while it is flooded, with so small a buffer that Redis cuts its subscription."""
    users = frame.people(frame["users"])
    crowd = frame.watch(users)
    frame.pause(1.0)
    desyncs = _desyncs(frame)
    with frame.redis.client() as client:
        client.config_set("client-output-buffer-limit", "pubsub 1mb 0 0")
        for _ in range(frame["freezes"]):
            before = len(frame.ledger.accepted())
            with frame.harm("node frozen"), frame.frozen("node"):
                flood = frame.send(
                    frame.one_each(users, data_padding=frame["padding"]),
                    rate=frame["rate"],
                    count=frame["notifications"],
                    batch=10,
                )
                flood.join(60.0)
                # Everything is published before the node hears again, so that no later frame shows the gap; and before
                # gunicorn takes the node for dead, at 30 s.
                frame.await_hop("published", after=before, seconds=15.0)
            frame.settle(frame["settle_s"])
    return frame.result(
        # Twice, where its lease ended meanwhile.
        ("the node noticed each cut", _desyncs(frame) - desyncs >= frame["freezes"]),
        freezes=frame["freezes"],
        nodes_noticed=_desyncs(frame) - desyncs,
        closed=crowd.codes(),
    )


def _desyncs(frame: Frame) -> int:
    """How often nodes say that they lost their subscription."""
    total = 0
    for index in range(frame.system.settings.nodes):
        text = str(frame.at("node", index).get("/metrics").body)
        found = re.findall(r"^\w*node_desync_total(?:\{[^}]*\})? ([0-9.e+]+)$", text, re.MULTILINE)
        total += sum(int(float(value)) for value in found)
    return total


DRILLS = (
    Drill(
        name="D10",
        title="the nodes' subscriptions are cut under load",
        run=cut,
        default={
            "cuts": 15,
            "every_s": 2.0,
            "busy": 10,
            "quiet": 400,
            "one_in": 15,
            "rate": 200.0,
            "batch": 10,
            "settle_s": 60.0,
            "repaired_s": 3.0,
        },
        quick={"cuts": 5, "every_s": 1.0, "quiet": 125, "one_in": 5, "rate": 100.0, "repaired_s": 20.0},
        full={"cuts": 30, "rate": 500.0, "quiet": 1000, "one_in": 30, "batch": 25},
        controls=(WITHOUT_POSITIONS,),
    ),
    Drill(
        name="D11",
        title="a node so slow that Redis cuts it off",
        run=slow,
        setup=Setup(nodes=1),
        default={
            "freezes": 3,
            "users": 20,
            "notifications": 1000,
            "padding": 16_384,
            "rate": 200.0,
            "settle_s": 60.0,
        },
        quick={"freezes": 1},
        controls=(WITHOUT_POSITIONS,),
    ),
)
