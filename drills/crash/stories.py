"""The stories in which a process comes to a crash point: somebody posts, acknowledges, comes back, or is forgotten."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from drills.crash.arming import Trap
from drills.crash.books import Books
from drills.crash.points import FORGOTTEN, UNPUBLISHED, Point
from drills.frame import Frame
from drills.ledger import Line
from drills.sender import send
from launcher.waiting import wait_for
from shared.protocol.jobs import Due, Reconcile, Release
from shared.queue import JobQueue, QueueUnavailable
from shared.redis import keys

ANN, BEN, AWAY = "ann", "ben", "away"
FOLLOWING = (ANN, BEN, AWAY)
AUDIENCE = tuple(f"reader-{number}" for number in range(11))
"""Three pages of five, with ann; one job stores all of them, and then marks them."""
ABSENCE = 6
SOON = timedelta(seconds=2)
SECONDS = 30.0
NOT_FOUND = 404


class Stories:
    """Tells them, one after the other, to one system."""

    def __init__(self, frame: Frame, books: Books, client: Any) -> None:
        self._frame, self._books, self._client = frame, books, client
        self._trap = Trap(frame.folder / "data")
        self._queue = JobQueue(frame.redis.url)
        self._http = frame.http()
        self._crowd = frame.watch(FOLLOWING)
        self.not_found: list[int] = []
        """Lines that were answered with 202, and asked for right afterwards were unknown."""

    def tell(self, point: Point) -> tuple[list[Line], bool]:
        """One story; what was posted in it, and whether the process died where it should."""
        lines: list[Line] = getattr(self, f"_{point.story}")(point.place)
        sprung = wait_for(lambda: self._trap.sprung(point.place), seconds=SECONDS)
        self._trap.disarm(point.place)
        return lines, sprung

    def reconcile(self) -> None:
        """Let everything that waits be looked at now, if there is a reconciler."""
        if self._frame["reconcile"]:
            self._books.hasten()
            with suppress(QueueUnavailable):
                for tick in (Reconcile(), Due(), Release()):
                    self._queue.enqueue(tick)

    def close(self) -> None:
        """Let connections go."""
        self._http.close()
        self._queue.close()

    # The stories

    def _post(self, where: str) -> list[Line]:
        """Somebody posts, and the users are there."""
        self._trap.arm(where)
        return self._send((ANN,), (ANN, BEN))

    def _pages(self, where: str) -> list[Line]:
        """The audience is bigger than a page."""
        self._trap.arm(where)
        return self._send((ANN, *AUDIENCE))

    def _later(self, where: str) -> list[Line]:
        """It is to be sent in a moment."""
        self._trap.arm(where)
        at = datetime.now(UTC) + SOON
        return self._ticked(where, self._send((ANN, BEN), (ANN,), send_at=at.isoformat()))

    def _held(self, where: str) -> list[Line]:
        """It is held until it is time where they live, which is in a moment."""
        self._trap.arm(where)
        at = (datetime.now(UTC) + SOON).replace(microsecond=0, tzinfo=None)
        lines = self._send((ANN, BEN), (ANN,), send_at=at.isoformat(), send_at_zone="recipient")
        return self._ticked(where, lines)

    def _ticked(self, where: str, lines: list[Line]) -> list[Line]:
        """Tick as beat does, until somebody has died of it."""

        def died() -> bool:
            for tick in (Due(), Release()):
                self._queue.enqueue(tick)
            return self._trap.sprung(where)

        wait_for(died, seconds=SECONDS, interval=1.0)
        return lines

    def _absence(self, where: str) -> list[Line]:
        """Somebody comes back whose record and tail are no longer in Redis."""
        self._crowd.tell("stop", AWAY)
        self._wait_for_device(AWAY, there=False)
        lines = self._send(*[(AWAY,)] * ABSENCE)
        wait_for(lambda: self._books.published(lines), seconds=SECONDS)
        self._client.delete(keys.stream("main", AWAY), keys.tail_me("main", AWAY))
        self._trap.arm(where)
        self._crowd.tell("start", AWAY)
        return lines

    def _forgotten(self, where: str) -> list[Line]:
        """The journal holds what no job knows of."""
        return self._after(FORGOTTEN, where)

    def _unpublished(self, where: str) -> list[Line]:
        """The database holds what no job knows of."""
        return self._after(UNPUBLISHED, where)

    def _after(self, first: str, where: str) -> list[Line]:
        """One process dies, and then another that makes good what the first has left."""
        self._trap.arm(first)
        lines = self._send((ANN,), (ANN, BEN))
        wait_for(lambda: self._trap.sprung(first), seconds=SECONDS)
        self._trap.arm(where)
        wait_for(lambda: self._reconciled(where), seconds=SECONDS, interval=1.0)
        return lines

    def _reconciled(self, where: str) -> bool:
        if self._trap.sprung(where) or not self._frame["reconcile"]:
            return True
        self.reconcile()
        return False

    def _send(self, *audiences: Sequence[str], **fields: str) -> list[Line]:
        lines = [self._frame.ledger.open(users, **fields) for users in audiences]
        send(self._frame.ledger, self._http, lines)
        for line in lines:
            # The api may die of what it does after the answer; then there is nobody to ask.
            with suppress(OSError):
                if self._http.get(f"/v1/notifications/{line.id}").status == NOT_FOUND:
                    self.not_found.append(line.number)
        return lines

    def _wait_for_device(self, device: str, *, there: bool) -> None:
        def is_there() -> bool:
            statuses = self._crowd.seen()[device].statuses
            return bool(statuses) and (statuses[-1].status == "online") is there

        wait_for(is_there, seconds=SECONDS)
