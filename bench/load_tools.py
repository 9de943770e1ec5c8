"""The load programs in C as Python objects: built with gcc on first use, spoken to over pipes.

They are C because the load client must never be the slower half: it parses as little as a client may and uses a
fraction of the time that the server under test needs for the same frame.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import orjson

from bench.machine import LOAD_CORE, SERVER_CORE
from bench.processes import BenchError, Child, run_once, wait_for_port

_SOURCES = Path(__file__).parent / "load"
_HOST = "127.0.0.1"


@cache
def build_directory() -> Path:
    """Where the programs of this run live; compiles all of them once."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise BenchError("a C compiler (gcc) is needed for the load clients")
    target = Path(tempfile.mkdtemp(prefix="bellhop-bench-"))
    for source in sorted(_SOURCES.glob("*.c")):
        command = [compiler, "-O2", "-Wall", "-o", str(target / source.stem), str(source)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{source.name} does not compile: {done.stderr.decode()[-2000:]}")
    return target


def remove_build() -> None:
    """Delete the compiled programs."""
    if build_directory.cache_info().currsize:
        shutil.rmtree(build_directory(), ignore_errors=True)
        build_directory.cache_clear()


@dataclass(frozen=True, slots=True)
class Socket:
    """One connection that the load client shall open."""

    port: int
    path: str
    token: str = "-"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the load client saw since its last reset. Times are CLOCK_MONOTONIC nanoseconds, latencies milliseconds."""

    open: int
    closed: int
    recovered: int
    frames: int
    others: int
    bytes: int
    gaps: int
    duplicates: int
    since: int
    now: int
    first: int
    last: int
    cpu_us: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, answer: dict[str, float]) -> Self:
        """From the JSON line of the program; fields it may add later are ignored."""
        values: dict[str, float] = {name: answer[name] for name in cls.__slots__}
        return cls(**values)  # type: ignore[arg-type]  # JSON numbers: int where the field is int


class WebSocketLoad(Child):
    """Many WebSocket clients in one process on the load core."""

    def __init__(
        self,
        sockets: Iterable[Socket],
        *,
        mode: str = "native",
        ack_ms: int = 0,
        small: int = 0,
        seconds: float = 60.0,
    ) -> None:
        lines = "".join(f"{s.port}\t{s.path}\t{s.token}\n" for s in sockets)
        self._file = tempfile.NamedTemporaryFile("w", prefix="bellhop-sockets-")  # noqa: SIM115 (closed below)
        self._file.write(lines)
        self._file.flush()
        command = [str(build_directory() / "wsload"), _HOST, self._file.name, mode, str(ack_ms), str(small)]
        super().__init__(command, core=LOAD_CORE)
        try:
            opened = self.answer(seconds)
        except BenchError:
            self.close()
            raise
        self.connect_seconds = opened["seconds"]
        self.opened = int(opened["open"])
        if opened["failed"]:
            self.close()
            raise BenchError(
                f"{opened['failed']:.0f} of {lines.count(chr(10))} connections were refused ({mode})"
            )

    def reset(self) -> Seen:
        """Forget what was seen."""
        return Seen.of(self.ask("reset"))

    def report(self) -> Seen:
        """What was seen since the reset."""
        return Seen.of(self.ask("report"))

    def wait(self, frames: int, seconds: float) -> Seen:
        """Wait for so many frames since the reset, at most so long; then what was seen."""
        return Seen.of(self.ask(f"wait {frames} {int(seconds * 1000)}", seconds + 10))

    def stall(self, count: int) -> None:
        """The first `count` connections stop reading."""
        self.ask(f"stall {count}")

    def close(self) -> None:
        """End it and remove its list of connections."""
        super().close()
        self._file.close()


class Floor(Child):
    """The plain send() loop on the server core."""

    def __init__(self, port: int) -> None:
        super().__init__([str(build_directory() / "wsfloor"), str(port)], core=SERVER_CORE)
        self.answer()
        wait_for_port(port)


@dataclass(frozen=True, slots=True)
class HttpSeen:
    """What an HTTP load run saw."""

    ok: int
    unavailable: int
    other: int
    broken: int
    seconds: float
    per_second: float
    cpu_us: int
    sample: str
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


def post(path: str, body: bytes, *, port: int, headers: dict[str, str] | None = None) -> bytes:
    """The bytes of one keep-alive POST with a JSON body."""
    extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {_HOST}:{port}\r\nContent-Type: application/json\r\n"
        f"{extra}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def http_load(
    requests: Sequence[bytes], *, port: int, connections: int = 64, seconds: float = 3.0, limit: int = 0
) -> HttpSeen:
    """Run the HTTP load client for so many seconds or requests."""
    with tempfile.NamedTemporaryFile(prefix="bellhop-requests-") as file:
        for request in requests:
            file.write(b"%d\n%b" % (len(request), request))
        file.flush()
        command = [str(build_directory() / "httpload"), _HOST, str(port), file.name]
        command += [str(connections), str(seconds), str(limit)]
        answer = orjson.loads(run_once(command, core=LOAD_CORE, seconds=seconds + 30))
    return HttpSeen(**answer)
