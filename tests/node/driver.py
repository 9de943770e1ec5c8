"""A client in a Node.js process of its own: what it is told to do, and what it has told."""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parent / "socketio.mjs"
WAIT_S = 20.0

Told = dict[str, Any]


class Driver:
    """One Node.js process with any number of clients; `script` is one that is driven so."""

    def __init__(self, program: str, script: Path = SCRIPT) -> None:
        self._child = subprocess.Popen(
            [program, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._changed = threading.Condition()
        self._told: list[Told] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.until(lambda told: told["on"] == "ready")

    def stop(self) -> None:
        """End the process; its clients hang up."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait(timeout=10)
        self._reader.join()

    def do(self, command: str, **fields: Any) -> None:
        """Say one command."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({"do": command} | fields) + "\n")
        self._child.stdin.flush()

    def all(self, wanted: Callable[[Told], bool]) -> list[Told]:
        """Everything told so far that is wanted."""
        with self._changed:
            return [told for told in self._told if wanted(told)]

    def until(self, wanted: Callable[[Told], bool], count: int = 1, seconds: float = WAIT_S) -> Told:
        """Wait for the `count`-th of these; what it was."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                found = [told for told in self._told if wanted(told)]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(f"{len(found)} of {count}; told at last: {self._told[-10:]}")

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            with self._changed:
                self._told.append(json.loads(line))
                self._changed.notify_all()


class Page:
    """One client of a driver."""

    def __init__(self, driver: Driver, name: str, url: str, **options: Any) -> None:
        self.driver, self.name = driver, name
        answers = options.pop("answers", False)
        driver.do("open", name=name, url=url, options=options, answers=answers)
        self._tags = 0

    def told(self, on: str, **fields: Any) -> list[Told]:
        """What this client has told of this kind."""
        return self.driver.all(lambda one: self._is(one, on, fields))

    def until(self, on: str, count: int = 1, seconds: float = WAIT_S, **fields: Any) -> Told:
        """Wait for it."""
        return self.driver.until(lambda one: self._is(one, on, fields), count, seconds)

    def event(self, event: str, count: int = 1) -> list[Any]:
        """Wait for the `count`-th event of this name; its arguments."""
        return self.until("event", count, event=event)["args"]

    def events(self, event: str) -> list[list[Any]]:
        """The arguments of all events of this name so far."""
        return [one["args"] for one in self.told("event", event=event)]

    def emit(self, event: str, *args: Any) -> None:
        """Emit without a callback."""
        self.driver.do("emit", name=self.name, event=event, args=args)

    def ask(self, event: str, *args: Any) -> Any:
        """Emit with a callback; what it was called with."""
        self._tags += 1
        self.driver.do("emit", name=self.name, event=event, args=args, tag=self._tags)
        return self.until("callback", tag=self._tags)["args"][0]

    def stand(self, **auth: Any) -> None:
        """What it will say when it connects again."""
        self.driver.do("stand", name=self.name, auth=auth)

    def move(self, port: int) -> None:
        """Connect to another node the next time."""
        self.driver.do("move", name=self.name, url=f"http://127.0.0.1:{port}")

    def cut(self) -> None:
        """Break the transport under it."""
        self.driver.do("cut", name=self.name)

    def close(self) -> None:
        """Leave, once."""
        if self.told("closed"):
            return
        self.driver.do("close", name=self.name)
        self.until("closed")

    def _is(self, one: Told, on: str, fields: dict[str, Any]) -> bool:
        return one.get("name") == self.name and one["on"] == on and fields.items() <= one.items()
