"""A device: the reference client, and a record of what its user was shown."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from bellhop_client import Bellhop, MemoryStorage, Storage

from launcher.system import System


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for a condition with a deadline; fails with `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Device:
    """One device of one user. `nodes` are indices of the nodes it tries, in turn."""

    def __init__(
        self,
        system: System,
        user: str,
        *,
        nodes: Sequence[int] = (0, 1),
        storage: Storage | None = None,
    ) -> None:
        self.user = user
        self.storage = storage or MemoryStorage()
        self.shown: list[dict[str, Any]] = []
        self.states: list[dict[str, Any]] = []
        self.lost: list[dict[str, Any]] = []
        urls = [f"{system.url('node', node, scheme='ws')}/ws" for node in nodes]
        self.client = Bellhop(urls, system.token(user), storage=self.storage)
        self.client.on("notification", self.shown.append)
        self.client.on("state", self.states.append)
        self.client.on("lost", self.lost.append)

    def __enter__(self) -> "Device":
        self.client.start()
        self.online()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop()

    def online(self, seconds: float = 30) -> None:
        """Wait until the client follows its streams."""
        wait_until(lambda: self.client.status == "online", seconds, f"{self.user} is online")

    def ids(self) -> list[str]:
        """Ids in the order in which they were shown."""
        return [frame["id"] for frame in self.shown]

    def sees(self, *ids: str, seconds: float = 15) -> None:
        """Wait until all of these were shown."""
        wanted = set(ids)
        wait_until(
            lambda: wanted <= set(self.ids()),
            seconds,
            f"{self.user} sees {len(wanted)} ids (has {len(wanted & set(self.ids()))})",
        )

    def shows_each_once_in_order(self) -> None:
        """Nothing twice, and each stream in the order of its seq."""
        assert len(self.ids()) == len(set(self.ids())), f"{self.user} was shown something twice"
        for stream in ("me", "all"):
            seqs = [frame["seq"] for frame in self.shown if frame["stream"] == stream]
            assert seqs == sorted(seqs), f"{self.user} was shown {stream} out of order"
