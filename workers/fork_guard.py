"""Keeps the pool from forking while a thread of the parent is inside C code that holds a lock.

The readiness server asks the database and Redis from threads of the process that forks the pool's children. A child
forked while such a thread is inside sqlite3 or a TLS library inherits the lock as taken and waits for it for ever.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 4.0
"""A fork waits at most so long for a probe; a probe gives up sooner, so this is never really reached."""


class ForkGuard:
    """Threads say when they are busy; a fork waits until none is, and none starts meanwhile."""

    def __init__(self) -> None:
        self._idle = threading.Condition(threading.Lock())
        self._busy = 0

    def install(self) -> None:
        """Register with the interpreter; once per process, for good."""
        os.register_at_fork(before=self._before, after_in_parent=self._after, after_in_child=self._fresh)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Hold off forks while the block runs."""
        with self._idle:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def _before(self) -> None:
        self._idle.acquire()
        self._idle.wait_for(lambda: self._busy == 0, timeout=PATIENCE_S)

    def _after(self) -> None:
        self._idle.release()

    def _fresh(self) -> None:
        # The child has none of the parent's threads, and nobody to release what they held.
        self._idle = threading.Condition(threading.Lock())
        self._busy = 0
