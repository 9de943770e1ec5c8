"""Which ports the processes get, and whether they are free."""

import secrets
import socket
from dataclasses import dataclass
from typing import Self

HOST = "127.0.0.1"
BLOCKS = range(18_000, 30_000)
"""Where blocks of neighbouring ports are looked for: below the range that the system itself hands out."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the processes listen; further nodes and worker_bulk take the ports after theirs."""

    api: int = 8000
    node: int = 8001
    worker: int = 8101
    flower: int = 5555

    @classmethod
    def block(cls, first: int) -> Self:
        """Return ports next to each other: api, two for workers, Flower, then the nodes."""
        return cls(api=first, worker=first + 1, flower=first + 3, node=first + 4)

    @classmethod
    def free(cls, nodes: int = 2) -> Self:
        """Return a block of ports that nobody uses now."""
        return cls.block(free_block(4 + nodes))

    def environment(self) -> dict[str, str]:
        """Return the settings that say so."""
        return {
            "BELLHOP_API_PORT": str(self.api),
            "BELLHOP_NODE_PORT": str(self.node),
            "BELLHOP_WORKER_PORT": str(self.worker),
            "BELLHOP_FLOWER_PORT": str(self.flower),
        }


def is_free(port: int, host: str = HOST) -> bool:
    """Tell whether a server could listen on this port now. A port in TIME_WAIT counts as free."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return False
        return True


def free_port(host: str = HOST) -> int:
    """Return a port nobody listens on, chosen by the system."""
    with socket.socket() as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def free_block(size: int) -> int:
    """Return the first of `size` neighbouring free ports within BLOCKS.

    Looks from a random place on: two test runs that start at the same time would else choose the same block.
    """
    places = list(BLOCKS[: len(BLOCKS) - size : size])
    begin = secrets.randbelow(len(places))
    for first in [*places[begin:], *places[:begin]]:
        if all(is_free(port) for port in range(first, first + size)):
            return first
    raise OSError(f"no {size} neighbouring free ports between {BLOCKS.start} and {BLOCKS.stop}")
