"""How a process is made to die between two steps: its adapters are wrapped, and a file says where it dies next.

Only the entry modules beside this one know of it. The file is taken away by whoever dies, so each crash happens once,
whichever process comes there first.
"""

import functools
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

BEFORE, INSIDE, AFTER = "before", "inside", "after"
"""A call of the adapter, or what it runs within a transaction, when that has ended and the commit has not begun."""

STATUS = 70
_FOLDER = "crash"


def place(step: str, method: str, moment: str, call: int) -> str:
    """The name of one place: step (a job, or `accept`), `Adapter.method`, moment, and which call of the step."""
    return f"{step} {method} {moment} {call}"


class Trap:
    """The parent's side: arms one place and sees whether somebody died there."""

    def __init__(self, data: Path) -> None:
        self._folder = data / _FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)

    def arm(self, where: str) -> None:
        """The next process that comes to this place dies there."""
        _file(self._folder, where).touch()

    def sprung(self, where: str) -> bool:
        """Whether one has died there since."""
        return not _file(self._folder, where).exists()

    def disarm(self, where: str) -> None:
        """Nobody dies there."""
        _file(self._folder, where).unlink(missing_ok=True)


class Mine:
    """The side of the process that dies."""

    def __init__(self, data: Path, *, step: str = "") -> None:
        """`step` is what the whole process does; empty: it is told by `during`."""
        self._folder = data / _FOLDER
        self._step = step
        self._calls: Counter[str] = Counter()

    def during(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` is this step: calls of adapters are counted anew."""

        @functools.wraps(function)
        def instead(*args: Any, **kwargs: Any) -> Any:
            self._step, self._calls = step, Counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._step = ""

        return instead

    def lay(self, adapter: type, name: str, *, transaction: bool = False) -> None:
        """Wrap one method; `transaction`: it is given what it runs and commits."""
        method = getattr(adapter, name)
        full = f"{adapter.__name__}.{name}"

        @functools.wraps(method)
        def instead(itself: Any, *args: Any, **kwargs: Any) -> Any:
            self._calls[full] += 1
            call = self._calls[full] if self._step != "accept" else 1
            self._pass(full, BEFORE, call)
            if transaction:
                args = (self._within(full, call, args[0]), *args[1:])
            found = method(itself, *args, **kwargs)
            self._pass(full, AFTER, call)
            return found

        setattr(adapter, name, instead)

    def _within(self, full: str, call: int, function: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **kwargs: Any) -> Any:
            found = function(*args, **kwargs)
            self._pass(full, INSIDE, call)
            return found

        return instead

    def _pass(self, full: str, moment: str, call: int) -> None:
        """Die here, if it was asked for."""
        if not self._step:
            return
        try:
            _file(self._folder, place(self._step, full, moment, call)).unlink()
        except FileNotFoundError:
            return
        os._exit(STATUS)


def _file(folder: Path, where: str) -> Path:
    return folder / where.replace(" ", "-")
