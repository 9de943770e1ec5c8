"""Ask a dependency whether it answers, for a bounded time, without piling up askers when it does not."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late

from workers.fork_guard import ForkGuard


class Probe:
    """At most one question is open; those who ask meanwhile wait for the same answer."""

    def __init__(
        self, name: str, ask: Callable[[], None], guard: ForkGuard, *, within_s: float = 2.0
    ) -> None:
        self._name, self._ask, self._guard, self._within_s = name, ask, guard, within_s
        self._lock = threading.Lock()
        self._open: Future[str | None] | None = None

    def error(self) -> str | None:
        """None if it answered in time, else a short reason without addresses or credentials."""
        with self._lock:
            answer = self._open
            if answer is None or answer.done():
                answer = self._open = Future()
                threading.Thread(
                    target=self._run, args=(answer,), name=f"probe-{self._name}", daemon=True
                ).start()
        try:
            return answer.result(timeout=self._within_s)
        except Late:
            return f"no answer within {self._within_s:g} s"

    def _run(self, answer: Future[str | None]) -> None:
        error: str | None = None
        with self._guard.busy():
            try:
                self._ask()
            except Exception as failure:  # noqa: BLE001 -- any failure means the same here: it does not answer
                # What is behind our own RedisUnavailable says more: a time-out, or a Redis that is full.
                error = type(failure.__cause__ or failure).__name__
        answer.set_result(error)
