"""Keeps processes running: starts, watches, restarts and ends them.

All of it happens on one thread that lives as long as the supervisor, because the parent-death signal of a child is
tied to the thread that started it. Other threads hand their wishes over and wait for the answer.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from launcher.output import Output
from launcher.plan import restart_delay
from launcher.spawn import signal_group, spawn

T = TypeVar("T")

TICK = 0.1
STEADY_SECONDS = 10.0
PATIENCE = 15.0
_GUARD = Path(__file__).with_name("guard.py")


@dataclass(slots=True)
class Child:
    """A process that is to be kept running."""

    label: str
    command: list[str]
    env: Mapping[str, str]
    before: Callable[[], None] = field(default=lambda: None)
    """Runs before each start."""
    running: subprocess.Popen[bytes] | None = None
    wanted: bool = True
    started: float = 0.0
    due: float = 0.0
    deaths: int = 0
    """Early deaths in a row."""


class Supervisor:
    """Runs children by label. Every public method may be called from any thread."""

    def __init__(self, folder: Path, output: Output, *, claims: Sequence[int] = ()) -> None:
        """Children run in `folder`. The guard holds the descriptors `claims` until the last child has ended."""
        self._folder = folder
        self._output = output
        self._children: dict[str, Child] = {}
        self._wishes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._closed = False
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARD)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd=folder,
            pass_fds=claims,
        )
        self.hurry = threading.Event()
        """Set from a signal handler: end everything now, without patience."""
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def add(self, child: Child) -> None:
        """Start a child and keep it running."""
        self._ask(lambda: self._add(child))

    def pid(self, label: str) -> int | None:
        """Return the process id, or None while it is down."""
        running = self._children[label].running
        return None if running is None else running.pid

    def deaths(self, label: str) -> int:
        """Return how often in a row the child died early."""
        return self._children[label].deaths

    def is_held(self, label: str) -> bool:
        """Tell whether a child is down because somebody wanted so."""
        return not self._children[label].wanted

    def labels(self) -> list[str]:
        """Return the labels of all children in the order of their start."""
        return list(self._children)

    def signal(self, label: str, number: int, *, group: bool = False) -> None:
        """Signal a child, or all of its process group."""
        self._ask(lambda: self._signal(label, number, group=group))

    def hold(self, label: str, *, patience: float = PATIENCE) -> None:
        """End a child and leave it down until `release`. Patience 0 is `kill -9`."""
        self._ask(lambda: self._hold([label], patience))

    def release(self, label: str) -> None:
        """Start a held child again."""
        self._ask(lambda: self._release(label))

    def stop(self, labels: list[str] | None = None, *, patience: float = PATIENCE) -> None:
        """End these children (or all) together."""
        self._ask(lambda: self._hold(self.labels() if labels is None else labels, patience))

    def close(self) -> None:
        """End what still runs, the guard and the thread."""
        if self._closed:
            return
        self.stop()
        self._ask(self._close)
        self._thread.join()
        self._tell_guard("")
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()

    def _ask(self, wish: Callable[[], T]) -> T:
        if self._closed:
            raise RuntimeError("the supervisor is closed")
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(wish())
            except BaseException as error:  # noqa: BLE001  # handed to the thread that asked
                answer.set_exception(error)

        self._wishes.put(run)
        return answer.result()

    def _run(self) -> None:
        while not self._closed:
            try:
                self._wishes.get(timeout=TICK)()
            except queue.Empty:
                self._tick()

    def _close(self) -> None:
        self._closed = True

    def _tick(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.running is not None and child.running.poll() is not None:
                self._bury(child, now)
            if child.running is None and child.wanted and now >= child.due:
                self._try_to_start(child, now)

    def _bury(self, child: Child, now: float) -> None:
        """Note the death of a child nobody asked to end, and when it starts again."""
        code = self._forget(child)
        child.deaths = 1 if now - child.started > STEADY_SECONDS else child.deaths + 1
        delay = restart_delay(child.deaths)
        child.due = now + delay
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        self._output.say(f"launcher: {child.label} {how}; starts again in {delay:g} s")

    def _try_to_start(self, child: Child, now: float) -> None:
        """Start again; what the machine refuses now (no process, no file descriptor) it may grant later."""
        try:
            self._start(child)
        except OSError as error:
            child.deaths += 1
            child.due = now + restart_delay(child.deaths)
            self._output.say(f"launcher: {child.label} cannot be started: {error}")

    def _forget(self, child: Child) -> int:
        """Take what is left of a dead child's group with it and return the exit code."""
        process, child.running = child.running, None
        if process is None:
            return 0
        signal_group(process.pid, signal.SIGKILL)
        code = process.wait()
        self._tell_guard(f"-{process.pid}")
        return code

    def _add(self, child: Child) -> None:
        self._children[child.label] = child
        self._start(child)

    def _start(self, child: Child) -> None:
        child.before()
        with self._output.open(child.label) as output:
            child.running = spawn(child.command, env=child.env, cwd=self._folder, output=output)
        child.started = time.monotonic()
        self._tell_guard(f"+{child.running.pid}")

    def _release(self, label: str) -> None:
        child = self._children[label]
        child.wanted, child.deaths = True, 0
        if child.running is None:
            self._start(child)

    def _signal(self, label: str, number: int, *, group: bool) -> None:
        running = self._children[label].running
        if running is None:
            raise ProcessLookupError(f"{label} does not run")
        if group:
            signal_group(running.pid, number)
        else:
            os.kill(running.pid, number)

    def _hold(self, labels: list[str], patience: float) -> None:
        children = [self._children[label] for label in labels]
        for child in children:
            child.wanted = False
            if child.running is not None and patience > 0:
                child.running.terminate()
        deadline = time.monotonic() + patience
        while any(child.running is not None and child.running.poll() is None for child in children):
            if time.monotonic() > deadline or self.hurry.is_set():
                break
            time.sleep(TICK / 5)
        for child in children:
            if child.running is not None:
                self._forget(child)

    def _tell_guard(self, line: str) -> None:
        if self._guard.stdin is not None and line:
            self._guard.stdin.write(line.encode() + b"\n")
            self._guard.stdin.flush()
