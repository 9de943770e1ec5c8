"""A backend that never gives up: what is answered with 503, or not at all, is sent again with the same key.

Threads, each with its own connection, because a service that is being hurt answers slowly and the load must go on.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from drills.http import Http
from drills.ledger import ACCEPTED, CUT, Attempt, Ledger, Line

Order = tuple[tuple[str, ...] | None, dict[str, Any]]
"""For whom (None: everyone), and further fields of the body."""

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
PATH = "/v1/notifications"


class Sender:
    """Sends `orders` at `rate` a second; without `count` until it is told to stop."""

    def __init__(
        self,
        ledger: Ledger,
        connect: Callable[[], Http],
        orders: Iterator[Order],
        *,
        rate: float,
        count: int | None = None,
        threads: int = 4,
        batch: int = 1,
    ) -> None:
        self._ledger, self._connect, self._rate, self._batch = ledger, connect, rate, batch
        self._orders = orders if count is None else itertools.islice(orders, count)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._given_up = threading.Event()
        self._began = time.monotonic()
        self._taken = 0
        self._threads = [
            threading.Thread(target=self._run, name=f"sender-{n}", daemon=True) for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def taken(self) -> int:
        """How many orders were begun."""
        return self._taken

    def stop(self, seconds: float = 60.0) -> None:
        """Begin no further order, and finish those that are begun; give them up after `seconds`."""
        self._stopping.set()
        self.join(seconds)

    def join(self, seconds: float) -> None:
        """Wait until all orders are accepted; give up after `seconds`. What was not accepted stays so in the ledger."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._stopping.set()
        self._given_up.set()
        for thread in self._threads:
            thread.join(LONGEST_PAUSE + 20.0)

    def _run(self) -> None:
        http = self._connect()
        try:
            while orders := self._next():
                lines = [self._ledger.open(users, **fields) for users, fields in orders]
                send(self._ledger, http, lines, until=self._given_up)
        finally:
            http.close()

    def _next(self) -> list[Order]:
        """The next orders, at their time; nothing at the end."""
        with self._lock:
            if self._stopping.is_set():
                return []
            orders = list(itertools.islice(self._orders, self._batch))
            due = self._began + self._taken / self._rate
            self._taken += len(orders)
        return [] if self._stopping.wait(max(0.0, due - time.monotonic())) else orders


def send(ledger: Ledger, http: Http, lines: Sequence[Line], *, until: threading.Event | None = None) -> bool:
    """Send one line, or several as a batch, until accepted; False if it was refused for good or `until` came first."""
    pause = FIRST_PAUSE
    while until is None or not until.is_set():
        attempt, ids = _attempt(ledger, http, lines)
        if attempt.status == ACCEPTED:
            for line, id in zip(lines, ids, strict=True):
                line.asked_at, line.accepted_at, line.id = attempt.began, attempt.ended, id
            return True
        if attempt.status not in (CUT, 503, 429):
            return False
        # Not slower than a second: a drill wants to see when the service is back.
        time.sleep(min(LONGEST_PAUSE, max(pause, attempt.retry_after or 0.0)))
        pause = min(LONGEST_PAUSE, pause * 2)
    return False


def _attempt(ledger: Ledger, http: Http, lines: Sequence[Line]) -> tuple[Attempt, list[str]]:
    bodies = [ledger.bodies[line.number] for line in lines]
    path, body = (PATH, bodies[0]) if len(bodies) == 1 else (f"{PATH}/batch", {"notifications": bodies})
    began = time.monotonic()
    ids: list[str] = []
    try:
        answer = http.post(path, body, key=lines[0].key)
    except OSError:
        attempt = Attempt(began, time.monotonic(), CUT, None)
    else:
        after = answer.headers.get("retry-after", "")
        seconds = float(after) if after.isdecimal() else None
        attempt = Attempt(began, time.monotonic(), answer.status, seconds)
        if answer.status == ACCEPTED:
            ids = [item["id"] for item in (answer.body["items"] if len(lines) > 1 else [answer.body])]
    ledger.tried(attempt)
    return attempt, ids
