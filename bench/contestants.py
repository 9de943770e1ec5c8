"""Who is compared in the fan-out: our node, the floor, `ws` and Socket.IO, each with its own N connected clients.

All are up at the same time and take turns, so that a noisy minute hits all of them. Only the one whose turn it is has
anything to do.
"""

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from bench import machine, peers
from bench.load_tools import Floor, Seen, Socket, WebSocketLoad
from bench.processes import BenchError, Child
from bench.publishing import Wire, command, padded, socketio_packet
from bench.services import BASE_PORT, Valkey

FLOOR_PORT = BASE_PORT + 20
PAYLOAD = 200
"""Bytes of application data in every notification."""
_PATIENCE = 60.0


class Contestant(Protocol):
    """One server with its clients."""

    name: str
    load: WebSocketLoad
    pids: list[int]

    def broadcast(self, count: int) -> int:
        """Send `count` notifications to everyone, flat out; the time (ns) at which the first left."""
        ...

    def unicast(self, count: int) -> int:
        """Send `count` notifications to random single users, flat out; the time at which the server could begin."""
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """One window of one contestant."""

    frames: int
    per_second: float
    cpu_us_per_frame: float
    load_cpu_share: float
    spread_ms: float
    """First to last arrival."""
    to_last_ms: float
    """Leaving the sender to last arrival."""


def take_turn(contestant: Contestant, kind: str, count: int, *, expected: int) -> Turn:
    """Let one contestant send and wait for every frame; a missing or doubled one fails the benchmark."""
    load = contestant.load
    load.reset()
    cpu = machine.cpu_us(contestant.pids)
    started = contestant.broadcast(count) if kind == "broadcast" else contestant.unicast(count)
    seen = load.wait(expected, _PATIENCE)
    cpu = machine.cpu_us(contestant.pids) - cpu
    _check(contestant.name, seen, expected)
    elapsed = seen.last - started
    return Turn(
        frames=expected,
        per_second=expected / elapsed * 1e9,
        cpu_us_per_frame=cpu / expected,
        load_cpu_share=seen.cpu_us * 1e3 / elapsed,
        spread_ms=(seen.last - seen.first) / 1e6,
        to_last_ms=elapsed / 1e6,
    )


def _check(name: str, seen: Seen, expected: int) -> None:
    if seen.frames != expected or seen.closed:
        raise BenchError(
            f"{name}: {seen.frames} of {expected} frames arrived, {seen.closed} connections lost"
        )
    if seen.gaps or seen.duplicates:
        raise BenchError(f"{name}: {seen.gaps} gaps, {seen.duplicates} duplicates")


class Frozen:
    """A server kept from running while its input is prepared, so that the publisher cannot be the slower half."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids

    def __enter__(self) -> None:
        self._all(signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        self._all(signal.SIGCONT)

    def _all(self, sign: signal.Signals) -> None:
        for pid in self._pids:
            os.kill(pid, sign)


class FloorSide:
    """The plain send() loop; its frames have the length of ours."""

    name = "floor"

    def __init__(self, floor: Floor, load: WebSocketLoad, frame_size: int) -> None:
        self.load, self._floor, self._size = load, floor, frame_size
        self.pids = [floor.pid]

    def broadcast(self, count: int) -> int:
        """See Contestant."""
        return int(self._floor.ask(f"burst {count} {self._size}", _PATIENCE)["started"])

    def unicast(self, count: int) -> int:
        """See Contestant."""
        return int(self._floor.ask(f"random {count} {self._size}", _PATIENCE)["started"])


class PeerSide:
    """A Node server that reads from Redis."""

    def __init__(self, name: str, server: Child, load: WebSocketLoad, wire: Wire) -> None:
        self.name, self.load, self._wire = name, load, wire
        self.pids = [server.pid]

    def _message(self, user: str | None) -> bytes:
        if self.name == "socketio":
            return command("PUBLISH", *socketio_packet(user, PAYLOAD))
        return command("PUBLISH", peers.CHANNEL, (user or "").encode() + b"\n" + padded(PAYLOAD))

    def broadcast(self, count: int) -> int:
        """See Contestant."""
        messages = [self._message(None) for _ in range(count)]
        started = time.monotonic_ns()
        self._wire.flood(messages)
        return started

    def unicast(self, count: int) -> int:
        """See Contestant."""
        users = self.load.opened
        messages = [self._message(f"u{random.randrange(users)}") for _ in range(count)]
        with Frozen(self.pids):
            self._wire.flood(messages)
        return time.monotonic_ns()


@contextmanager
def floor_side(connections: int, frame_size: int) -> Iterator[FloorSide]:
    """The floor with its clients."""
    with Floor(FLOOR_PORT) as floor:
        sockets = [Socket(FLOOR_PORT, "/")] * connections
        with WebSocketLoad(sockets, mode="plain") as load:
            yield FloorSide(floor, load, frame_size)


@contextmanager
def peer_sides(connections: int, server: Valkey) -> Iterator[list[PeerSide]]:
    """Both Node peers with their clients, or none where there is no Node."""
    if not peers.available():
        yield []
        return
    with ExitStack() as stack:
        wire = stack.enter_context(Wire(server.port))
        child = stack.enter_context(peers.ws_node(server))
        sockets = [Socket(peers.WS_PORT, f"/?user=u{i}") for i in range(connections)]
        load = stack.enter_context(WebSocketLoad(sockets, mode="plain"))
        others = stack.enter_context(socketio_side(connections, server))
        yield [PeerSide("ws", child, load, wire), *others]


@contextmanager
def socketio_side(connections: int, server: Valkey) -> Iterator[list[PeerSide]]:
    """npm Socket.IO with its redis-adapter and its clients, or nobody where there is no Node."""
    if not peers.available():
        yield []
        return
    with ExitStack() as stack:
        wire = stack.enter_context(Wire(server.port))
        child = stack.enter_context(peers.socketio_node(server))
        sockets = socketio_peers([f"u{i}" for i in range(connections)])
        load = stack.enter_context(WebSocketLoad(sockets, mode="socketio"))
        yield [PeerSide("socketio", child, load, wire)]


def socketio_peers(names: Sequence[str]) -> list[Socket]:
    """Clients of npm Socket.IO, each in the room of its name."""
    return [Socket(peers.IO_PORT, "/socket.io/?EIO=4&transport=websocket", name) for name in names]
