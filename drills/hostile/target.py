"""The node under attack as a drill sees it: its port, its memory, and honest clients beside the attack."""

from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from bench import machine
from drills.drill import Promise, Result, Setup
from drills.frame import Frame
from drills.hostile.honest import Waits, beside

SETUP = Setup(database="sqlite", nodes=1)
QUIET_S = 3.0


class Target:
    """The first node of a frame's system."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.port = urlsplit(frame.system.url("node", 0)).port or 0
        self.quiet = Waits()

    def token(self, user: str) -> str:
        """A user's."""
        return self._frame.system.token(user, ttl=86_400)

    def rss_kib(self) -> int:
        """Resident memory of the node's processes."""
        return sum(machine.rss_kib(pid) for pid in machine.descendants(self._frame.system.pid("node", 0)))

    def honest(self) -> AbstractContextManager[Waits]:
        """Ten honest clients."""
        tokens = [self.token(f"honest-{number}") for number in range(10)]
        return beside(self.port, tokens, log=self._frame.folder / "honest.log")

    def listen_quietly(self) -> None:
        """How long honest clients wait before anything happens."""
        with self.honest() as self.quiet:
            self._frame.pause(QUIET_S)

    def not_hurt(self, waits: Waits, *, ms: float = 20.0) -> tuple[str, bool]:
        """The promise that others hardly notice: on a busy machine in proportion to the quiet time before."""
        bound = max(ms, 1.5 * self.quiet.p(0.99))
        return f"p99 of others at most {ms:g} ms or 1.5 times the quiet one", 0 <= waits.p(0.99) <= bound


def result(*promises: tuple[str, bool], **figures: object) -> Result:
    """A result without notifications."""
    return Result(None, tuple(Promise(*each) for each in promises), figures)
