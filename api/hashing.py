"""Passwords checked beside the event loop: so many at once, so many waiting, and no more.

Rule U. argon2 gives the GIL away while it works, so a thread of its own keeps everybody else served. Each check takes
the memory of the settings: without a bound a flood of sign-ins would be an end for want of memory.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from gevent.lock import BoundedSemaphore
from gevent.threadpool import ThreadPool

from shared.auth.passwords import Passwords
from shared.errors import Unavailable

T = TypeVar("T")
WAIT_SECONDS: Final = 10.0
"""How long a sign-in waits for its turn."""


class Hashing:
    """Gives Passwords their turn."""

    def __init__(
        self, passwords: Passwords, *, at_once: int, waiting: int, wait: float = WAIT_SECONDS
    ) -> None:
        self._passwords = passwords
        self._at_once = at_once
        self._most = at_once + waiting
        self._wait = wait
        self._inside = 0
        self._turn = BoundedSemaphore(at_once)
        self._threads: ThreadPool | None = None

    def hash(self, password: str) -> str:
        """Hash a new password. Raises Unavailable where too many wait."""
        return self._run(lambda: self._passwords.hash(password))

    def matches(self, password: str, stored: str | None) -> bool:
        """Compare; None is nobody's, and takes as long. Raises Unavailable where too many wait."""
        return self._run(lambda: self._passwords.matches(password, stored))

    def is_old(self, stored: str) -> bool:
        """Say whether it should be hashed anew."""
        return self._passwords.is_old(stored)

    def _run(self, work: Callable[[], T]) -> T:
        if self._inside >= self._most:
            raise Unavailable("Too many sign in at once; try again.", retry_after=1)
        self._inside += 1
        try:
            if not self._turn.acquire(timeout=self._wait):
                raise Unavailable("Too many sign in at once; try again.", retry_after=1)
            try:
                done: T = self._pool().apply(work)
                return done
            finally:
                self._turn.release()
        finally:
            self._inside -= 1

    def _pool(self) -> ThreadPool:
        """The threads, made where they are first needed: after the fork."""
        if self._threads is None:
            self._threads = ThreadPool(self._at_once)
            self._threads.apply(self._passwords.prepare)
        return self._threads
