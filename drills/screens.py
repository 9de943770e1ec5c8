"""The screens: devices of users, each the reference client, in a process of their own.

`python -m drills.screens SPEC` reads a JSON file, follows, and appends to one file what each device shows. What was
shown and the position after it are one line, written at once: so a process that is killed and started again on the
same file shows nothing twice, as a program would that keeps both in one transaction of its database.

On standard input: `stop DEVICE`, `start DEVICE`; the end of the input ends all in order.
"""

import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bellhop_client import Bellhop, Storage

Frame = dict[str, Any]
STACK_BYTES = 512 * 1024
"""A thread a device: the usual 8 MiB of address space would be 16 GiB for 2,000."""


class Log:
    """The file of all screens of this process; a line is one write, so a kill leaves whole lines."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, **line: Any) -> None:
        """Append one line."""
        os.write(self._descriptor, json.dumps(line, separators=(",", ":")).encode() + b"\n")


def positions(path: Path) -> dict[str, Frame]:
    """The last position of each device that an earlier process left in the file."""
    found: dict[str, Frame] = {}
    if path.exists():
        for raw in path.read_bytes().splitlines():
            line = json.loads(raw)
            if "position" in line:
                found[line["device"]] = line["position"]
    return found


class Device:
    """One device: shows, and keeps its position."""

    def __init__(self, log: Log, spec: Mapping[str, Any], position: Frame | None) -> None:
        self.name: str = spec["device"]
        self._log, self._spec = log, spec
        self._position = position
        self._fresh: list[list[Any]] = []
        self._client: Bellhop | None = None

    # The storage that the client keeps its position in

    def load(self) -> Frame | None:
        return self._position

    def save(self, position: Frame) -> None:
        shown, self._fresh = self._fresh, []
        self._position = position
        self._log.write(device=self.name, position=position, shown=shown)

    # Its life

    def start(self) -> None:
        """Follow, from the position that was kept."""
        self._client = self.connect(self)
        self._client.start()

    def stop(self) -> None:
        """Acknowledge and close."""
        if self._client is not None:
            self._client.stop(5.0)
            self._client = None

    def connect(self, storage: Storage | None, *, first: int = 0) -> Bellhop:
        """A client of this device that tries the nodes in turn, beginning at the `first`."""
        urls = self._spec["urls"]
        first %= len(urls)
        client = Bellhop([*urls[first:], *urls[:first]], self._spec["token"], storage=storage)
        client.on("notification", self._show)
        client.on("status", self._status)
        client.on("lost", lambda told: self._log.write(device=self.name, at=time.monotonic(), lost=told))
        client.on("error", lambda told: self._log.write(device=self.name, at=time.monotonic(), error=told))
        return client

    def _show(self, frame: Frame) -> None:
        self._fresh.append([time.monotonic(), frame["stream"], frame["seq"], frame["data"]["n"]])

    def _status(self, told: Frame) -> None:
        kept = {name: told[name] for name in ("status", "code", "reason", "recovered") if name in told}
        self._log.write(device=self.name, at=time.monotonic(), **kept)


class ForgetfulDevice(Device):
    """A control: a device that keeps no position, so every connection of it begins anew."""

    def start(self) -> None:
        """Follow with a new client after each end of a connection."""
        self._going = threading.Event()
        self._going.set()
        threading.Thread(target=self._follow, daemon=True).start()

    def stop(self) -> None:
        self._going.clear()
        super().stop()

    def save(self, position: Frame) -> None:
        super().save(position)
        self._position = None

    def _follow(self) -> None:
        for attempt in itertools.count():
            if not self._going.is_set():
                return
            self._one_connection(attempt)

    def _one_connection(self, attempt: int) -> None:
        ended = threading.Event()
        client = self.connect(self, first=attempt)
        client.on("status", lambda told: ended.set() if told["status"] == "offline" else None)
        self._client = client
        client.start()
        ended.wait()
        client.stop(0.1)


KINDS: dict[str, type[Device]] = {"reference": Device, "without resume": ForgetfulDevice}


def main(path: str) -> None:
    """Follow until the input ends."""
    threading.stack_size(STACK_BYTES)
    spec = json.loads(Path(path).read_text(encoding="utf-8"))
    file = Path(spec["file"])
    kept = positions(file)
    log = Log(file)
    kind = KINDS[spec["client"]]
    devices = {each["device"]: kind(log, each, kept.get(each["device"])) for each in spec["devices"]}
    for device in devices.values():
        device.start()
    for line in sys.stdin:
        command, _, name = line.strip().partition(" ")
        if command == "stop":
            devices[name].stop()
        elif command == "start":
            devices[name].start()
    stopping = [threading.Thread(target=device.stop, daemon=True) for device in devices.values()]
    for thread in stopping:
        thread.start()
    for thread in stopping:
        thread.join(10.0)


if __name__ == "__main__":
    main(sys.argv[1])
