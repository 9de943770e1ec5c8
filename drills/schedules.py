"""Schedules of a drill: made over HTTP, watched on a screen, and judged instant by instant.

The runs are what the service says of itself; the screen is there to see whether it says the truth.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from drills.frame import Frame
from launcher.environment import ROOT
from launcher.waiting import wait_for

PATH = "/v1/schedules"
CREATED = 201
ONLINE = "online"
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Run:
    """One run, instants in whole seconds of the epoch."""

    at: int
    reason: str
    notification: str | None
    since: int | None


class Screen:
    """A device of one user: which notifications it showed, and when."""

    def __init__(self, frame: Frame, user: str) -> None:
        self._file = frame.folder / f"screen-{user}"
        self._log = frame.folder / f"screen-{user}.log"
        urls = [frame.system.url("node", n, scheme="ws") + "/ws" for n in range(frame.system.settings.nodes)]
        self._asked = json.dumps({"urls": urls, "token": frame.system.token(user, ttl=86_400)})

    @contextmanager
    def on(self) -> Iterator["Screen"]:
        """Follow the user's stream."""
        path = os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])
        with self._log.open("ab") as log:
            child = subprocess.Popen(  # noqa: S603  # ourselves
                [sys.executable, "-m", "drills.device", str(self._file)],
                stdin=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": path},
                text=True,
            )
        assert child.stdin is not None  # noqa: S101  # asked for above
        try:
            child.stdin.write(f"{self._asked}\n")
            child.stdin.flush()
            if not wait_for(lambda: ONLINE in self._lines(), seconds=60.0, interval=0.1):
                raise TimeoutError("the device did not come online")
            yield self
        finally:
            child.stdin.close()
            try:
                child.wait(10.0)
            except subprocess.TimeoutExpired:
                child.kill()

    def shown(self) -> Counter[str]:
        """How often each notification was shown."""
        return Counter(line.split()[0] for line in self._lines() if line != ONLINE)

    def first(self) -> dict[str, float]:
        """When each was shown first, seconds of the epoch."""
        found: dict[str, float] = {}
        for line in self._lines():
            if line != ONLINE:
                id, at = line.split()
                found.setdefault(id, float(at))
        return found

    def _lines(self) -> list[str]:
        """What the device has written, whole lines only."""
        if not self._file.exists():
            return []
        return self._file.read_text(encoding="utf-8").split("\n")[:-1]


def make(frame: Frame, user: str, **fields: Any) -> str:
    """Make a schedule that sends to `user`; its id."""
    notification = {"to": {"users": [user]}, "event": "drill.tick"}
    http = frame.http()
    answer = http.post(PATH, {"notification": notification, **fields})
    http.close()
    if answer.status != CREATED:
        raise RuntimeError(f"no schedule was made: {answer}")
    return str(answer.body["id"])


def runs(frame: Frame, id: str) -> list[Run]:
    """All runs of a schedule, the oldest first."""
    http, found, cursor = frame.http(), [], ""
    while True:
        body = http.get(f"{PATH}/{id}/runs?limit={PAGE}{cursor}").body
        found += [_run(item) for item in body["items"]]
        if body["next"] is None:
            http.close()
            return found[::-1]
        cursor = f"&cursor={body['next']}"


def act(frame: Frame, id: str, action: str) -> Any:
    """Pause, resume or run one; the answer's body."""
    http = frame.http()
    answer = http.post(f"{PATH}/{id}/{action}", {})
    http.close()
    return answer.body


def instant(second: int) -> str:
    """A second of the epoch as the interface spells it."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def faults(found: list[Run], wanted: range) -> Counter[str]:
    """What is wrong with the runs of a schedule that had to fire at each second of `wanted`."""
    fired = Counter(run.at for run in found if run.notification is not None and run.reason != "run_now")
    ranges = [(run.since or run.at, run.at) for run in found if run.reason == "skipped"]
    left_out = {at for first, last in ranges for at in range(first, last + 1)}
    return Counter(
        twice=sum(count - 1 for count in fired.values()),
        missing=sum(at not in fired and at not in left_out for at in wanted),
        fired_and_left_out=sum(at in left_out for at in fired),
        strange=sum(at not in wanted for at in fired),
    )


def _run(item: dict[str, Any]) -> Run:
    since = item["since"]
    return Run(
        _second(item["fire_at"]),
        item["reason"],
        item["notification"],
        None if since is None else _second(since),
    )


def _second(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
