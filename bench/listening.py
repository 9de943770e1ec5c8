"""Listen to a Redis channel and keep the arrival times: how the rate of a worker is read without a node.

A raw socket with hiredis, because redis-py would be busy with the peers' message per notification.
"""

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import hiredis

from bench import machine
from bench.processes import BenchError
from bench.publishing import command

_MESSAGE_PARTS = 3


class Listener:
    """A subscription; `weigh` says how many notifications a message carries."""

    def __init__(self, port: int, channel: str, weigh: Callable[[bytes], int]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=1)
        self._reader = hiredis.Reader()
        self._weigh = weigh
        self._seen = 0
        self._socket.sendall(command("SUBSCRIBE", channel))
        self._reader.feed(self._socket.recv(4096))
        self._reader.gets()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def collect(self, total: int, seconds: float) -> tuple[int, int]:
        """Read until `total` notifications have come since the beginning; (time in ns, how many there are now)."""
        until = time.monotonic() + seconds
        while self._seen < total:
            if time.monotonic() > until:
                raise BenchError(f"{self._seen} of {total} notifications were published in {seconds:.0f} s")
            try:
                self._reader.feed(self._socket.recv(1 << 20))
            except TimeoutError:
                continue
            while (message := self._reader.gets()) is not False:
                if isinstance(message, list) and len(message) == _MESSAGE_PARTS:
                    self._seen += self._weigh(message[2])
        return time.monotonic_ns(), self._seen


@dataclass(frozen=True, slots=True)
class Pace:
    """How a worker did between 10 % and 100 % of a queue: rate, and processor time of its processes for each."""

    per_second: float
    cpu_us: float


def pace(listener: Listener, pids: Sequence[int], total: int, *, seconds: float = 60) -> Pace:
    """Watch a worker until the queue is empty."""
    begin, first = listener.collect(total // 10, seconds)
    cpu = machine.cpu_us(pids)
    end, last = listener.collect(total, seconds)
    cpu = machine.cpu_us(pids) - cpu
    if last == first:
        raise BenchError("too few notifications to read a rate")
    return Pace((last - first) / (end - begin) * 1e9, cpu / (last - first))
