"""Where the position is kept between runs: nowhere, or in a file.

Anything with `load` and `save` will do; a program that writes what it shows to a database can keep the position in
the same transaction, and then shows each notification exactly once whatever dies.
"""

import json
from pathlib import Path
from typing import Protocol

from bellhop_client.actions import Frame


class Storage(Protocol):
    """Keeps the position of one user of one app."""

    def load(self) -> Frame | None:
        """What was saved last, or None."""

    def save(self, position: Frame) -> None:
        """Keep this one instead."""


class MemoryStorage:
    """Keeps the position as long as the process lives."""

    def __init__(self, position: Frame | None = None) -> None:
        self.position = position

    def load(self) -> Frame | None:
        return self.position

    def save(self, position: Frame) -> None:
        self.position = position


class FileStorage:
    """Keeps the position in a small JSON file: one file per server, app and user.

    The file is replaced, never written in place, so a process killed at any moment leaves the old or the new
    position. It is not synced to the disk for each notification: after a loss of power the newest may be shown again.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._next = self._path.with_name(self._path.name + ".next")

    def load(self) -> Frame | None:
        try:
            position = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return position if isinstance(position, dict) else None

    def save(self, position: Frame) -> None:
        self._next.write_text(json.dumps(position), encoding="utf-8")
        self._next.replace(self._path)
