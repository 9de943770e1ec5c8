"""D37: hours under a steady load while connections come and go: nothing lost, and nothing grows."""

import re
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bench import machine
from drills.drill import Control, Drill, Result, Setup
from drills.frame import Frame

WARM_UP = 0.3
"""The share of the time that is not looked at: caches fill, pools open."""


class Growth:
    """Memory and open files of every process, looked at again and again."""

    def __init__(self, frame: Frame, every_s: float) -> None:
        self._frame, self._every_s = frame, every_s
        self._rss: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._files: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ending.set()
        self._thread.join()

    def rss_mib_an_hour(self) -> dict[str, float]:
        """How fast the memory of each process grows after the warm-up."""
        return {name: round(slope(_late(seen)) * 3600 / 1024, 2) for name, seen in sorted(self._rss.items())}

    def files_an_hour(self) -> dict[str, float]:
        """How fast the open files of each process grow after the warm-up."""
        return {name: round(slope(_late(seen)) * 3600, 1) for name, seen in sorted(self._files.items())}

    def _run(self) -> None:
        while not self._ending.wait(self._every_s):
            for (name, index), pid in self._frame.system.pids().items():
                pids = machine.descendants(pid)
                now = time.monotonic()
                self._rss[f"{name}.{index}"].append((now, sum(map(_rss, pids))))
                self._files[f"{name}.{index}"].append((now, sum(map(_files, pids))))


def soak(frame: Frame) -> Result:
    """Send steadily; each minute cut some of the connections, which come back by themselves."""
    users = frame.people(frame["clients"])
    proxies = frame.proxies_before_nodes()
    crowd = frame.watch(users, through=proxies)
    seconds = frame["minutes"] * 60
    growth = Growth(frame, every_s=min(10.0, seconds / 30))
    sender = frame.send(frame.mixed(users), rate=frame["rate"])
    until = time.monotonic() + seconds
    cut = 0
    while time.monotonic() < until:
        frame.pause(min(frame["churn_every_s"], max(0.1, until - time.monotonic())))
        for proxy in proxies:
            cut += proxy.reset(frame.random, share=frame["churn"])
    sender.stop()
    frame.settle(frame["settle_s"])
    growth.stop()
    slopes, files = growth.rss_mib_an_hour(), growth.files_an_hour()
    with frame.redis.client() as client:
        unacked = client.hlen("unacked")
    return frame.result(
        (
            f"no process grows by more than {frame['rss_mib_an_hour']:g} MiB an hour",
            max(slopes.values(), default=0.0) <= frame["rss_mib_an_hour"],
        ),
        # Of all processes together, because clients move from node to node.
        ("no open file is left behind", sum(files.values()) <= frame["files_an_hour"]),
        ("no message is left with a worker", unacked == 0),
        minutes=frame["minutes"],
        connections_cut=cut,
        closed=crowd.codes(),
        rss_mib_an_hour=slopes,
        files_an_hour=files,
    )


def slope(seen: Sequence[tuple[float, float]]) -> float:
    """The line of least squares through (second, value): value a second."""
    if not seen:
        return 0.0
    mid_x = sum(x for x, _ in seen) / len(seen)
    mid_y = sum(y for _, y in seen) / len(seen)
    spread = sum((x - mid_x) ** 2 for x, _ in seen)
    return sum((x - mid_x) * (y - mid_y) for x, y in seen) / spread if spread else 0.0


def _late(seen: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    return seen[int(len(seen) * WARM_UP) :]


def _rss(pid: int) -> int:
    """KiB that are this process's own: shared pages of a fork are counted where they were made."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(value) for value in re.findall(r"^Private_(?:Clean|Dirty): +(\d+)", text, re.MULTILINE))


def _files(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


DRILLS = (
    Drill(
        name="D37",
        title="soak",
        run=soak,
        setup=Setup(),
        # docs/reliability.md has the command for eight hours: only so long a time shows a slow growth.
        default={
            "minutes": 20.0,
            "clients": 200,
            "rate": 20.0,
            "churn": 0.05,
            "churn_every_s": 60.0,
            "settle_s": 60.0,
            "rss_mib_an_hour": 24.0,
            "files_an_hour": 60.0,
        },
        full={"clients": 1000},
        quick={
            "minutes": 1.0,
            "clients": 40,
            "churn_every_s": 10.0,
            "rss_mib_an_hour": 1e4,
            "files_an_hour": 1e4,
        },
        controls=(
            Control(
                name="client without resume",
                removes="the client's position",
                breaks="nothing shown twice",
                client="without resume",
                parameters={"minutes": 2.0, "churn": 0.5, "churn_every_s": 5.0, "settle_s": 15.0},
            ),
        ),
    ),
)
