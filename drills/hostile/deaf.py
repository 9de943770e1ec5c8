"""Clients that do not read until the node has given them up, and then look whether it told them so.

Only what a client found in its own bytes counts. The node's log merely says when to look: a Close frame waits a few
seconds for whoever begins to read, and then the node hangs up without it.
"""

import itertools
import json
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drills.hostile import raw
from drills.hostile.target import Target

LOOK_S = 0.1
TOO_SLOW = 4008
SEGMENT = 1460
"""As on an Ethernet. With the packets of loopback the kernel itself would keep 3 to 4 MB for each connection before the
node hears that its client does not read; with these it keeps 0.1 to 0.8 MB."""


@dataclass
class Ear:
    """One connection: deaf until it is woken, over when the node has hung up."""

    sock: socket.socket
    data: bytearray
    woken: bool = False
    over: bool = False
    code: int = 0
    seconds: float = 0.0
    """From the beginning of the load to the end of the connection."""


def following(
    target: Target, users: Sequence[str], *, receive_buffers: Sequence[int] = (0,)
) -> dict[str, tuple[socket.socket, bytearray]]:
    """A connection for each user that follows its streams, and what it has heard.

    Whoever is not yet in step gets what comes as a replay later, and a replay may leave more waiting than live frames.
    """
    found = {}
    for user, size in zip(users, itertools.cycle(receive_buffers), strict=False):
        sock, heard = raw.signed_in(target.port, target.token(user), receive_buffer=size, segment=SEGMENT)
        found[user] = (sock, bytearray(heard))
    for sock, data in found.values():
        while not _in_step(bytes(data)):
            more = sock.recv(1 << 16)
            if not more:
                raise ConnectionError("cut off before anything was sent")
            data.extend(more)
    return found


def _in_step(data: bytes) -> bool:
    said = [json.loads(payload) for opcode, payload in raw.frames(data) if opcode == raw.TEXT]
    return any(
        one["type"] == "caught_up" or (one["type"] == "welcome" and one["recovered"] is not None)
        for one in said
    )


class Deaf:
    """All of them by user; `log` is the node's, `began` the moment from which seconds count."""

    def __init__(self, open_: Mapping[str, tuple[socket.socket, bytearray]], log: Callable[[], str]) -> None:
        self._ears = {user: Ear(sock, data) for user, (sock, data) in open_.items()}
        self._log = log
        self._poll = select.poll()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.began = time.monotonic()

    def start(self) -> None:
        """Begin to count, and to listen for those who are given up."""
        self.began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Hang up."""
        self._ending.set()
        self._thread.join()
        for ear in self._ears.values():
            ear.sock.close()

    def told(self) -> list[float]:
        """After how many seconds each was told that it is too slow, of those who were; in order."""
        return sorted(ear.seconds for ear in self._ears.values() if ear.code == TOO_SLOW)

    def all_over(self) -> bool:
        """Whether no connection is left."""
        return all(ear.over for ear in self._ears.values())

    def _run(self) -> None:
        named = {ear.sock.fileno(): ear for ear in self._ears.values()}
        looked = 0.0
        while not self._ending.is_set():
            if time.monotonic() - looked >= LOOK_S:
                self._wake()
                looked = time.monotonic()
            for number, _ in self._poll.poll(int(LOOK_S * 1000)):
                self._read(named[number])

    def _wake(self) -> None:
        """Have those read whose connection the node has ended."""
        for line in self._log().splitlines():
            if '"connection_closed"' not in line:
                continue
            ear = self._ears.get(json.loads(line)["user"])
            if ear is not None and not ear.woken:
                ear.woken = True
                self._poll.register(ear.sock.fileno(), select.POLLIN)

    def _read(self, ear: Ear) -> None:
        try:
            more = ear.sock.recv(1 << 20)
        except OSError:
            more = b""
        ear.data += more
        if more:
            return
        self._poll.unregister(ear.sock.fileno())
        ear.over, ear.seconds = True, time.monotonic() - self.began
        codes = [payload for opcode, payload in raw.frames(bytes(ear.data)) if opcode == raw.CLOSE]
        ear.code = int.from_bytes(codes[-1][:2]) if codes else 0
        ear.data.clear()
