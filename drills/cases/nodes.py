"""D12 and D38: a node dies and all its clients come to the other one; and every process is restarted in turn."""

from drills.cases.worker_deaths import REDELIVERY_S, within
from drills.crowd import Crowd
from drills.databases import transactions
from drills.drill import Control, Drill, Result
from drills.frame import Frame
from drills.sender import send
from drills.verdict import percentile

RESUMED_S = 30.0
CLIENTS_A_QUERY = 50
GOING_AWAY = 4012
FORGETFUL = Control(
    name="client without resume",
    removes="the client's position",
    breaks="nothing shown twice",
    client="without resume",
    parameters={"settle_s": 20.0},
)
NO_TAIL = Control(
    name="node without tail",
    removes="the reading of what was missed at connect",
    breaks="nothing lost",
    lines="no_tail.procfile",
    parameters={"settle_s": 20.0},
)


def storm(frame: Frame) -> Result:
    """Kill one of two nodes under load; it stays away until all its clients follow at the other."""
    users = frame.people(frame["clients"])
    crowd = frame.watch(users, seconds=240.0)
    sender = frame.send(frame.mixed(users), rate=frame["rate"], batch=frame["batch"])
    for turn in range(frame["kills"]):
        frame.pause(3.0)
        with frame.harm("node killed"):
            frame.system.kill("node", turn % 2, hold=True)
        crowd.wait(lambda: crowd.online() < len(users), 10.0)
        crowd.await_online(RESUMED_S + 15.0)
        frame.system.release("node", turn % 2)
        frame.ready("node", turn % 2)
    frame.pause(1.0)
    sender.stop()
    frame.settle(frame["settle_s"])
    away = crowd.away_seconds(since=frame.harms[0].began)
    return frame.result(
        (f"all resumed within {RESUMED_S:g} s", bool(away) and away[-1] <= RESUMED_S),
        kills=frame["kills"],
        resumed=len(away),
        away_p50_s=_round(percentile(away, 0.5)),
        away_p99_s=_round(percentile(away, 0.99)),
    )


def quiet_storm(frame: Frame) -> Result:
    """Without load: each client missed a little while it was away; does the database hear of it?"""
    users = frame.people(frame["clients"])
    crowd = frame.watch(users, seconds=240.0)
    http = frame.http()

    def tell_everyone() -> int:
        """How many transactions it takes to tell everyone a few things, whoever is there."""
        before = transactions(frame.database_url)
        for _ in range(frame["missed"]):
            send(frame.ledger, http, [frame.ledger.open(None)])
        frame.pause(frame["look_s"])
        return transactions(frame.database_url) - before

    usual = tell_everyone()
    with frame.harm("node killed"):
        frame.system.kill("node", 1, hold=True)
    asked = max(0, tell_everyone() - usual)
    crowd.await_online(RESUMED_S + 15.0)
    frame.settle(frame["settle_s"])
    http.close()
    away = crowd.away_seconds(since=frame.harms[0].began)
    return frame.result(
        (f"all resumed within {RESUMED_S:g} s", bool(away) and away[-1] <= RESUMED_S),
        (
            f"the database is asked at most once per {CLIENTS_A_QUERY} clients",
            asked <= len(away) / CLIENTS_A_QUERY,
        ),
        resumed=len(away),
        transactions=asked,
        transactions_without_a_storm=usual,
        away_p99_s=_round(percentile(away, 0.99)),
    )


def beside(frame: Frame) -> Result:
    """Each user has a native device and a Socket.IO one, on different nodes; one node is killed under load."""
    users = frame.people(frame["clients"])
    native, socketio = frame.watch(users), frame.watch([*users[1:], users[0]], socketio=True)
    sender = frame.send(frame.mixed(users), rate=frame["rate"])
    for turn in range(frame["kills"]):
        frame.pause(2.0)
        with frame.harm("node killed"):
            frame.system.kill("node", turn % 2, hold=True)
        for crowd in (native, socketio):
            crowd.await_online(RESUMED_S)
        frame.pause(1.0)
        frame.system.release("node", turn % 2)
        frame.ready("node", turn % 2)
    frame.pause(1.0)
    sender.stop()
    frame.settle(frame["settle_s"])
    away = {crowd: crowd.away_seconds(since=frame.harms[0].began) for crowd in (native, socketio)}
    return frame.result(
        ("each kind of client lost connections and came back", all(away.values())),
        away_native_p99_s=_round(percentile(away[native], 0.99)),
        away_socketio_p99_s=_round(percentile(away[socketio], 0.99)),
    )


def rolling(frame: Frame) -> Result:
    """SIGTERM to each process in turn, under load, round after round."""
    users = frame.people(frame["clients"])
    crowd = frame.watch(users)
    sender = frame.send(frame.mixed(users), rate=frame["rate"])
    order = [("node", 0), ("api", 0), ("node", 1), ("worker", 0), ("worker_bulk", 0), ("beat", 0)]
    for _ in range(frame["rounds"]):
        for name, index in order:
            with frame.harm(f"{name} {index} restarted"):
                frame.system.restart(name, index, patience=30.0)
            if name != "beat":
                frame.ready(name, index)
            frame.pause(1.0)
    frame.pause(2.0)
    sender.stop()
    frame.settle(frame["settle_s"])
    return _rolled(frame, crowd)


def _rolled(frame: Frame, crowd: Crowd) -> Result:
    codes = crowd.codes(since=frame.harms[0].began)
    away = crowd.away_seconds(since=frame.harms[0].began)
    gap = percentile(away, 0.99)
    return frame.result(
        ("every connection ended with 4012", bool(codes) and set(codes) == {GOING_AWAY}),
        (f"p99 of the gaps under {frame['gap_s']:g} s", within(gap, frame["gap_s"])),
        rounds=frame["rounds"],
        closed=codes,
        gap_p50_s=_round(percentile(away, 0.5)),
        gap_p99_s=_round(gap),
    )


def _round(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


DRILLS = (
    Drill(
        name="D12",
        title="kill -9 of one of two nodes under load",
        run=storm,
        default={"kills": 3, "clients": 600, "rate": 100.0, "batch": 10, "settle_s": REDELIVERY_S},
        quick={"kills": 2, "clients": 60, "rate": 40.0, "batch": 2, "settle_s": 60.0},
        # No more of them: 2,000 clients under load measure the two cores that they share with the nodes (D12-quiet has
        # as many).
        controls=(FORGETFUL, NO_TAIL),
    ),
    Drill(
        name="D12-quiet",
        title="reconnect storm without load",
        run=quiet_storm,
        default={"clients": 600, "missed": 3, "look_s": 20.0, "settle_s": 60.0},
        quick={"clients": 100},
        full={"clients": 2000},
        controls=(
            Control(
                name="no tails",
                removes="the tails in Redis",
                breaks="the database is asked",
                lines="no_tails.procfile",
                parameters={"settle_s": 20.0},
            ),
        ),
    ),
    Drill(
        name="D12-socketio",
        title="kill -9 of a node under Socket.IO and native clients side by side",
        run=beside,
        default={"kills": 2, "clients": 40, "rate": 40.0, "settle_s": REDELIVERY_S},
        quick={"kills": 2, "clients": 8, "rate": 20.0, "settle_s": 60.0},
        controls=(
            Control(
                name="Socket.IO without resume",
                removes="the position of the Socket.IO clients",
                breaks="nothing lost",
                client="socketio without resume",
                parameters={"settle_s": 10.0},
            ),
        ),
    ),
    Drill(
        name="D38",
        title="rolling restart under load",
        run=rolling,
        default={"rounds": 2, "clients": 100, "rate": 20.0, "settle_s": REDELIVERY_S, "gap_s": 3.5},
        full={"rounds": 10},
        quick={"rounds": 1, "clients": 20},
        controls=(
            Control(
                name="no drain",
                removes="the polite end of a node",
                breaks="every connection ended",
                lines="no_drain.procfile",
                parameters={"rounds": 1},
            ),
            NO_TAIL,
        ),
    ),
)
