"""Start, address and stop the processes that a benchmark needs besides Bellhop's own.

A benchmark that fails must leave nothing behind: every process is a context manager, is asked to end, and is killed
when it does not.
"""

import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

_START_SECONDS = 60.0
_END_SECONDS = 10.0


_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def _settle(core: int) -> None:
    """In the child, before exec: take its core, and end when we end, even by SIGKILL."""
    os.sched_setaffinity(0, {core})
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class BenchError(Exception):
    """A benchmark could not be run; the text says why."""


class Child:
    """One child process whose output lines are read with a deadline."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        core: int,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        errors: Path | None = None,
    ) -> None:
        self.name = Path(command[0]).name
        self._errors = errors.open("ab") if errors else None
        self._process = subprocess.Popen(
            command,
            preexec_fn=partial(_settle, core),  # noqa: PLW1509 (we have one thread)
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors if self._errors else None,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        self._buffer = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def say(self, line: str) -> None:
        """Write one line to its standard input."""
        stdin = self._process.stdin
        if stdin is None:
            raise BenchError(f"{self.name} has no input")
        stdin.write(line.encode() + b"\n")
        stdin.flush()

    def line(self, seconds: float = _START_SECONDS) -> str:
        """The next line of its standard output."""
        stdout = self._process.stdout
        if stdout is None:
            raise BenchError(f"{self.name} has no output")
        until = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([stdout], [], [], left)[0]:
                raise BenchError(f"{self.name} said nothing for {seconds:.0f} s")
            chunk = os.read(stdout.fileno(), 65536)
            if not chunk:
                raise BenchError(f"{self.name} ended with {self._process.wait()}")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def ask(self, line: str, seconds: float = _START_SECONDS) -> dict[str, float]:
        """Say a command, read its JSON answer."""
        self.say(line)
        return self.answer(seconds)

    def answer(self, seconds: float = _START_SECONDS) -> dict[str, float]:
        """The next line as JSON."""
        found: dict[str, float] = orjson.loads(self.line(seconds))
        return found

    def await_line(self, text: str, seconds: float = _START_SECONDS) -> None:
        """Read lines until one is `text`."""
        until = time.monotonic() + seconds
        while self.line(max(0.1, until - time.monotonic())).strip() != text:
            pass

    def close(self) -> None:
        """End it: SIGTERM to its group, SIGKILL after a while."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
                break
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream:
                with suppress(OSError):
                    stream.close()


def wait_for_port(port: int, seconds: float = _START_SECONDS) -> None:
    """Return once something listens on the loopback port."""
    poll_until(lambda: _listens(port), seconds, f"nothing listens on port {port}")


def poll_until(condition: Callable[[], bool], seconds: float, complaint: str, *, every: float = 0.02) -> None:
    """Call `condition` until it is true; BenchError with the complaint after `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise BenchError(complaint)
        time.sleep(every)


def _listens(port: int) -> bool:
    wanted = f"0100007F:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == wanted and fields[3] == "0A":
            return True
    return False


def run_once(
    command: Sequence[str],
    *,
    core: int,
    seconds: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a command to its end; its standard output."""
    done = subprocess.run(
        command,
        preexec_fn=partial(_settle, core),
        capture_output=True,
        timeout=seconds,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"{command[0]} failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout.decode()
