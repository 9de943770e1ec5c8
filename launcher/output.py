"""Where the output of the children goes: prefixed onto a terminal, or into a file each."""

import os
import sys
import threading
from pathlib import Path
from typing import IO, Protocol, TextIO

_COLOURS = (36, 33, 32, 35, 34, 31)
_WIDTH = 11


class Output(Protocol):
    """Takes what children and the supervisor say."""

    def open(self, label: str) -> IO[bytes]:
        """Return a file for the output of one child; the caller closes its copy after the start."""

    def say(self, text: str) -> None:
        """Write one line of the supervisor's own."""


class LogFiles:
    """One file per child, for tests and benchmarks: `<label>.log`; the supervisor writes `launcher.log`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, label: str) -> Path:
        """Return the file of one child."""
        return self._folder / f"{label}.log"

    def open(self, label: str) -> IO[bytes]:
        """Open the file of one child for appending."""
        return self.path(label).open("ab")

    def say(self, text: str) -> None:
        """Append to launcher.log."""
        with self.path("launcher").open("a", encoding="utf-8") as file:
            file.write(text + "\n")


class Stream:
    """All children on one stream. On a terminal each line is prefixed with a coloured name."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._lock = threading.Lock()
        self._colours: dict[str, int] = {}

    def open(self, label: str) -> IO[bytes]:
        """Return the writing end of a pipe that a thread copies line by line."""
        reading, writing = os.pipe()
        colour = self._colours.setdefault(label, _COLOURS[len(self._colours) % len(_COLOURS)])
        prefix = f"\x1b[{colour}m{label:<{_WIDTH}}|\x1b[0m " if self._terminal else ""
        threading.Thread(
            target=self._copy, args=(reading, prefix), name=f"output {label}", daemon=True
        ).start()
        return os.fdopen(writing, "wb")

    def say(self, text: str) -> None:
        """Write one line, unprefixed."""
        self._write(text)

    def _copy(self, reading: int, prefix: str) -> None:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self._write(prefix + line.rstrip("\n"))

    def _write(self, line: str) -> None:
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # the terminal is gone; the children are being ended
                return
