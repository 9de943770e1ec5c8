"""The crowd: the parent's hand on the processes of screens, and its eye on what they wrote.

The file is read as it grows; what is not a whole line yet waits.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drills.verdict import Screen, Shown
from launcher.environment import ROOT
from launcher.waiting import wait_for

END_SECONDS = 20.0
SOCKETIO = "socketio"
"""How the names of clients begin that are npm socket.io-client."""

_NODE_TESTS = ROOT / "tests" / "node"


def npm_client() -> list[str]:
    """The program whose screens are Socket.IO clients; they are installed the first time."""
    if not (_NODE_TESTS / "node_modules" / "socket.io-client").exists():
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],  # noqa: S607  # as the tests find it
            cwd=_NODE_TESTS,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return ["node", str(_NODE_TESTS / "screens.mjs")]


@dataclass(slots=True)
class DeviceSpec:
    """One device: its name, its user, the nodes it tries in turn, its token."""

    device: str
    user: str
    urls: Sequence[str]
    token: str


def devices_at(
    ports: Sequence[int], tokens: Mapping[str, str], *, first: int, socketio: bool
) -> list[DeviceSpec]:
    """A device for each user with a token, which tries the ports in turn; they begin at one of the `first` ones."""
    scheme, path = ("http", "/") if socketio else ("ws", "/ws")
    found = []
    for number, (user, token) in enumerate(tokens.items()):
        begin = number % first
        urls = [f"{scheme}://127.0.0.1:{port}{path}" for port in (*ports[begin:], *ports[:begin])]
        found.append(DeviceSpec(f"{user} (Socket.IO)" if socketio else user, user, urls, token))
    return found


@dataclass(frozen=True, slots=True)
class Status:
    """A change of a device's connection."""

    at: float
    status: str
    code: int | None


@dataclass(slots=True)
class Seen:
    """What one device has told so far."""

    user: str
    shown: list[Shown] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    reloads: list[str] = field(default_factory=list)
    """Reasons for which the client was told to reload by HTTP."""
    errors: list[dict[str, Any]] = field(default_factory=list)


class Crowd:
    """One process of screens over one file."""

    def __init__(self, folder: Path, devices: Sequence[DeviceSpec], *, client: str = "reference") -> None:
        self._folder = folder
        self._specs = list(devices)
        self._client = client
        self._file = folder / "screens.jsonl"
        self._offset = 0
        self._seen = {spec.device: Seen(spec.user) for spec in devices}
        self._numbers: dict[str, set[int]] = {spec.device: set() for spec in devices}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; devices go on where the file says they were."""
        self._folder.mkdir(parents=True, exist_ok=True)
        spec = self._folder / "spec.json"
        devices = [
            {"device": s.device, "user": s.user, "urls": s.urls, "token": s.token} for s in self._specs
        ]
        spec.write_text(
            json.dumps({"file": str(self._file), "client": self._client, "devices": devices}),
            encoding="utf-8",
        )
        path = os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])
        command = [sys.executable, "-m", "drills.screens", str(spec)]
        if self._client.startswith(SOCKETIO):
            command = [*npm_client(), str(spec)]
        with (self._folder / "screens.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # ours
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """End all devices in order: each sends its last ack."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._read()

    def kill(self) -> None:
        """`kill -9` all devices at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None

    def tell(self, command: str, device: str) -> None:
        """`start` or `stop` one device."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(f"{command} {device}\n".encode())
            self._process.stdin.flush()

    def devices(self) -> list[str]:
        """The names of all devices."""
        return [spec.device for spec in self._specs]

    def seen(self) -> dict[str, Seen]:
        """What each device has told up to now."""
        self._read()
        return self._seen

    def screens(self) -> list[Screen]:
        """What each device has shown up to now."""
        return [Screen(device, seen.user, list(seen.shown)) for device, seen in self.seen().items()]

    def numbers(self, device: str) -> set[int]:
        """The numbers a device has shown, as of the last look at the file."""
        return self._numbers[device]

    def shown_count(self) -> int:
        """How many notifications all devices together have shown."""
        return sum(len(seen.shown) for seen in self.seen().values())

    def online(self, devices: Collection[str] | None = None) -> int:
        """How many devices follow now."""
        wanted = self._seen if devices is None else devices
        seen = self.seen()
        return sum(
            bool(seen[name].statuses) and seen[name].statuses[-1].status == "online" for name in wanted
        )

    def await_online(self, seconds: float, *, share: float = 1.0) -> bool:
        """Wait until this share of the devices follow."""
        return self.wait(lambda: self.online() >= share * len(self._specs), seconds)

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition on what was seen; dies with the process of screens."""
        return wait_for(lambda: condition() or self._ended(), seconds=seconds, interval=0.1) and condition()

    def codes(self, *, since: float = 0.0) -> dict[int, int]:
        """How connections ended, by close code."""
        found: dict[int, int] = {}
        for seen in self.seen().values():
            for status in seen.statuses:
                if status.status == "offline" and status.at >= since and status.code is not None:
                    found[status.code] = found.get(status.code, 0) + 1
        return found

    def away_seconds(self, *, since: float = 0.0) -> list[float]:
        """For each time a device lost its connection, how long until it followed again; sorted."""
        spans = []
        for seen in self.seen().values():
            left: float | None = None
            for status in seen.statuses:
                if status.status == "offline" and left is None and status.at >= since:
                    left = status.at
                elif status.status == "online" and left is not None:
                    spans.append(status.at - left)
                    left = None
            if left is not None and self._process is not None:
                spans.append(time.monotonic() - left)
        return sorted(spans)

    def reloads(self) -> int:
        """How often a client was told that it cannot be made whole."""
        return sum(len(seen.reloads) for seen in self.seen().values())

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _read(self) -> None:
        with self._lock:
            if not self._file.exists():
                return
            with self._file.open("rb") as file:
                file.seek(self._offset)
                raw = file.read()
            whole, _, _ = raw.rpartition(b"\n")
            self._offset += len(whole) + (1 if whole else 0)
            for line in whole.splitlines():
                self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        device = line["device"]
        seen = self._seen[device]
        for at, stream, seq, number in line.get("shown", ()):
            seen.shown.append(Shown(at, stream, seq, number))
            self._numbers[device].add(number)
        if "status" in line:
            seen.statuses.append(Status(line["at"], line["status"], line.get("code")))
        if "lost" in line:
            seen.reloads.append(str(line["lost"].get("reason")))
        if "error" in line:
            seen.errors.append(line["error"])
