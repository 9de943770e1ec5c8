"""D13 and D14: the clock is set while schedules fire; several beats and workers at once, and beats that die."""

import math
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

from drills.drill import Control, Drill, Promise, Result, Setup
from drills.frame import Frame
from drills.schedules import Screen, act, faults, instant, make, runs
from launcher.environment import ROOT
from launcher.ports import free_port
from launcher.probe import is_ready
from launcher.procfile import parse
from launcher.spawn import end, spawn
from launcher.waiting import wait_for

CATCH_UP = ("skip", "once", "all")
FURTHER_S = 60.0
"""So far beyond the first jump the second one goes."""


class Extra:
    """A further process of a kind that the Procfile has once; `worker_bulk` gets a name of its own."""

    def __init__(self, frame: Frame, name: str, number: int) -> None:
        self._frame, self._label = frame, f"{name}-{number}"
        command = parse((frame.folder / "Procfile").read_text(encoding="utf-8"))[name]
        self._command = command.replace(f"-n {name}@", f"-n {name}{number}@")
        self._start()

    def _start(self) -> None:
        metrics = self._frame.folder / f"metrics-{self._label}"
        metrics.mkdir(exist_ok=True)
        self._port = free_port()
        own = {"PORT": str(self._port), "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        with (self._frame.folder / f"{self._label}.log").open("ab") as log:
            self._child: subprocess.Popen[bytes] = spawn(
                ["/bin/sh", "-c", f"exec {self._command}"],
                env={**self._frame.system.environment, **own},
                cwd=ROOT,
                output=log,
            )

    def kill(self) -> None:
        """`kill -9` it, and start it again."""
        os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._start()

    def await_ready(self) -> None:
        """Wait until a worker takes jobs. Raises TimeoutError."""
        if not wait_for(lambda: is_ready("127.0.0.1", self._port, "/readiness"), seconds=60.0, interval=0.1):
            raise TimeoutError(f"{self._label} does not get ready")

    def stop(self) -> None:
        """End it."""
        end(self._child, patience=10.0)


def beats(frame: Frame) -> Result:
    """Fire each second while three beats tick and two workers fire, one beat killed now and then."""
    seconds = int(frame["seconds"])
    with ExitStack() as stack:
        extra = [Extra(frame, "beat", number) for number in (2, 3)]
        worker = Extra(frame, "worker_bulk", 2)
        for one in (*extra, worker):
            stack.callback(one.stop)
        screen = stack.enter_context(Screen(frame, "ana").on())
        worker.await_ready()
        start = math.ceil(time.time()) + 2
        span = {"start": instant(start), "end": instant(start + seconds - 1), "catch_up": "all", "every": 1}
        ids = [make(frame, "ana", **span) for _ in range(frame["schedules"])]
        while time.time() < start + seconds:
            frame.pause(min(frame["kill_s"], max(0.0, start + seconds - time.time())))
            with frame.harm("a beat killed"):
                _kill_one(frame, extra)
        wanted = range(start, start + seconds)
        _settle(frame, screen, ids, at_least=seconds)
        wrong = sum((faults(runs(frame, id), wanted) for id in ids), Counter[str]())
        late = _late(frame, screen, ids)
        return Result(
            None,
            (
                Promise("each second fired once, none missing", not wrong.total()),
                Promise("each run on the screen once", not _screen_faults(frame, screen, ids)),
            ),
            {
                "instants": seconds * len(ids),
                "runs": sum(len(runs(frame, id)) for id in ids),
                "beats_killed": len(frame.harms),
                **{name: wrong[name] for name in ("twice", "missing", "strange")},
                "on_the_screen": screen.shown().total(),
                "late_p50_s": round(late[len(late) // 2], 2) if late else None,
                "late_max_s": round(late[-1], 2) if late else None,
            },
        )


def _kill_one(frame: Frame, extra: Sequence[Extra]) -> None:
    chosen = frame.random.randrange(len(extra) + 1)
    if chosen == len(extra):
        frame.system.kill("beat")
    else:
        extra[chosen].kill()


def clock(frame: Frame) -> Result:
    """Put the clock of beat and workers forward, back, and forward again beyond where it was."""
    jump = float(frame["jump_s"])
    with Screen(frame, "ana").on() as screen:
        start = math.ceil(time.time()) + 2
        span = {"start": instant(start), "every": 1}
        ids = [make(frame, "ana", **span, catch_up=catch_up) for catch_up in CATCH_UP]
        frame.pause(frame["rest_s"] + start - time.time())
        reached = _put_forward(frame, ids, jump)
        frame.pause(frame["rest_s"])
        quiet, ticks = _put_back(frame, screen, ids)
        reached &= _put_forward(frame, ids, jump + FURTHER_S)
        for id in ids:
            act(frame, id, "pause")
        _settle(frame, screen, ids)
        wrong = _wrong_since(frame, ids, start)
        reasons = Counter(run.reason for id in ids for run in runs(frame, id))
        return Result(
            None,
            (
                Promise("each instant fired once or is named as left out", not wrong.total()),
                Promise("each run on the screen once", not _screen_faults(frame, screen, ids)),
                Promise("nothing fires while the clock is back", quiet),
                Promise("ticks go on while the clock is back", ticks),
                Promise("it goes on wherever the clock is put", reached),
            ),
            {
                "jump_s": jump,
                "runs": reasons.total(),
                **{f"{name}_runs": count for name, count in sorted(reasons.items())},
                **{name: wrong[name] for name in ("twice", "missing", "strange")},
                "on_the_screen": screen.shown().total(),
            },
        )


def _put_forward(frame: Frame, ids: Sequence[str], seconds: float) -> bool:
    """Put the clock so far ahead; whether each schedule then fires at that time or after it."""
    with frame.harm("clock forward"):
        _set_clock(frame, seconds)
    second = time.time() + seconds

    def fired() -> bool:
        return all(any(run.at >= second for run in runs(frame, id)) for id in ids)

    return wait_for(fired, seconds=frame["settle_s"], interval=0.5)


def _put_back(frame: Frame, screen: Screen, ids: Sequence[str]) -> tuple[bool, bool]:
    """Put the clock to the machine's; whether nothing fires by itself, and whether a run is sent that is asked for."""
    with frame.harm("clock back"):
        _set_clock(frame, 0.0)
    frame.pause(2.0)
    before = [len(runs(frame, id)) for id in ids]
    frame.pause(frame["rest_s"])
    quiet = before == [len(runs(frame, id)) for id in ids]
    asked = act(frame, ids[0], "run-now")["notification"]
    return quiet, wait_for(lambda: asked in screen.shown(), seconds=15.0, interval=0.1)


def _wrong_since(frame: Frame, ids: Sequence[str], start: int) -> Counter[str]:
    """What is wrong with the runs from `start` to the last of each schedule."""
    wrong = Counter[str]()
    for id in ids:
        found = runs(frame, id)
        wrong += faults(found, range(start, max(run.at for run in found if run.reason != "run_now") + 1))
    return wrong


def _set_clock(frame: Frame, seconds: float) -> None:
    target = frame.system.data.path / "clock-offset"
    fresh = target.with_suffix(".new")
    fresh.write_text(str(seconds), encoding="utf-8")
    fresh.replace(target)


def _settle(frame: Frame, screen: Screen, ids: Sequence[str], *, at_least: int = 0) -> None:
    """Wait until all that was fired is on the screen, then a little longer for what comes twice."""

    def whole() -> bool:
        enough = all(len(runs(frame, id)) >= at_least for id in ids)
        return enough and not _screen_faults(frame, screen, ids)

    wait_for(whole, seconds=frame["settle_s"], interval=0.5)
    frame.pause(3.0)


def _screen_faults(frame: Frame, screen: Screen, ids: Sequence[str]) -> int:
    """Runs that are not on the screen exactly once, and what is there without a run."""
    sent = Counter(run.notification for id in ids for run in runs(frame, id) if run.notification is not None)
    shown = screen.shown()
    return (sent - shown).total() + (shown - sent).total()


def _late(frame: Frame, screen: Screen, ids: Sequence[str]) -> list[float]:
    """Seconds from each instant to the screen, in order of length."""
    first = screen.first()
    found = (run for id in ids for run in runs(frame, id) if run.notification in first)
    return sorted(first[run.notification or ""] - run.at for run in found)


DRILLS = (
    Drill(
        name="D13",
        title="the clock is put forward and back under schedules",
        run=clock,
        setup=Setup(lines="own_clock.procfile"),
        default={"jump_s": 7200.0, "rest_s": 6.0, "settle_s": 60.0},
        quick={"jump_s": 300.0, "rest_s": 4.0},
        controls=(
            Control(
                name="Celery's scheduler",
                removes="beat's answer to a clock that was set",
                breaks="ticks go on",
                lines="own_clock_stalled.procfile",
            ),
            Control(
                name="instants from now",
                removes="instants that outlive the clock",
                breaks="nothing fires",
                lines="own_clock_forgetful.procfile",
                parameters={"settle_s": 30.0},
            ),
        ),
    ),
    Drill(
        name="D14",
        title="three beats and two workers, a beat killed every 10 s",
        run=beats,
        setup=Setup(nodes=1),
        default={"seconds": 60.0, "kill_s": 10.0, "schedules": 3, "settle_s": 60.0},
        quick={"seconds": 30.0, "kill_s": 5.0},
        full={"seconds": 300.0},
        controls=(
            Control(
                name="loose claims",
                removes="the lock of a schedule and the key of its runs",
                breaks="each second fired",
                lines="loose_claims.procfile",
                parameters={"seconds": 30.0, "settle_s": 20.0},
            ),
            Control(
                name="next from now",
                removes="instants that follow from the schedule alone",
                breaks="each second fired",
                lines="next_from_now.procfile",
                parameters={"seconds": 30.0, "settle_s": 20.0},
            ),
        ),
    ),
)
