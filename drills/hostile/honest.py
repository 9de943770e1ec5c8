"""Honest clients beside an attack, in a process of their own: how long does the node take to answer them?

python -m drills.hostile.honest PORT COUNT     reads tokens from the first line, runs until its input ends
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drills.hostile import raw

ASK = raw.frame(b'{"type":"ping","ref":"h"}')
EVERY_S = 0.05


@dataclass
class Waits:
    """Milliseconds of each answer, in order of length; filled when the block ends."""

    times: list[float] = field(default_factory=list)

    def p(self, share: float) -> float:
        """A percentile."""
        return (
            round(self.times[min(len(self.times) - 1, int(share * len(self.times)))], 2)
            if self.times
            else -1.0
        )


@contextmanager
def beside(port: int, tokens: list[str], *, log: Path) -> Iterator[Waits]:
    """Honest clients that ask each 50 ms while the block runs."""
    waits = Waits()
    command = [sys.executable, "-m", "drills.hostile.honest", str(port)]
    with log.open("ab") as errors:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)  # noqa: S603  # ourselves
    assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018  # asked for above
    try:
        child.stdin.write(json.dumps(tokens).encode() + b"\n")
        child.stdin.flush()
        child.stdout.readline()
        yield waits
    finally:
        child.stdin.close()
        said = child.stdout.read()
        child.wait()
    waits.times = json.loads(said)


def _ask(port: int, token: str, stop: threading.Event, times: list[float], ready: threading.Barrier) -> None:
    sock, data = raw.signed_in(port, token)
    ready.wait()
    while not stop.wait(EVERY_S):
        began = time.perf_counter()
        sock.sendall(ASK)
        while b'"pong"' not in data:
            more = sock.recv(65_536)
            if not more:
                raise ConnectionError("an honest client was cut off")
            data += more
        times.append((time.perf_counter() - began) * 1000)
        data = b""


def main(port: int) -> None:
    """Ask until the input ends, then tell all times."""
    tokens = json.loads(sys.stdin.readline())
    stop, times = threading.Event(), list[float]()
    ready = threading.Barrier(len(tokens) + 1)
    threads = [threading.Thread(target=_ask, args=(port, one, stop, times, ready)) for one in tokens]
    for thread in threads:
        thread.start()
    ready.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(sorted(times)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
