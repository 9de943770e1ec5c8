"""Users whose record this run of Redis does not have: `sync` jobs put it there, many users a job.

Rule S. After a restart of Redis, or for people never seen before, everybody on the node needs one at once: a job for
each brought 75 users a second, because each paid for a message and a transaction of its own.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import gevent
from gevent.event import Event

from shared.protocol.jobs import Sync
from wsnode.deadlines import Deadlines
from wsnode.jobs import Jobs

USERS_MAX: Final = 100
"""Users of one job: what registers together (wsnode.registrar) is synced together."""

WAIT: Final = 9.0
"""Seconds in which a second `sync` of the same user is not asked for; shorter than the replay deadline."""


class Syncs:
    """Asks for records; a user who waits for one is not asked for again."""

    def __init__(self, node: str, jobs: Jobs) -> None:
        self._node = node
        self._jobs = jobs
        self._asked: set[tuple[str, str]] = set()
        self._ends: Deadlines[tuple[str, str]] = Deadlines(WAIT)
        self._wanted: dict[str, list[str]] = defaultdict(list)
        self._wake = Event()

    def start(self) -> list[gevent.Greenlet]:
        """Begin to ask."""
        return [gevent.spawn(self._run)]

    def ask(self, app: str, user: str, now: float) -> None:
        """Want the record of a user; `now` is monotonic. Never blocks."""
        if (app, user) in self._asked:
            return
        self._asked.add((app, user))
        self._ends.add((app, user), now)
        self._wanted[app].append(user)
        self._wake.set()

    def answered(self, app: str, users: Iterable[str]) -> None:
        """A job has ended, or could not be enqueued: these may be asked for again."""
        self._asked.difference_update((app, user) for user in users)

    def sweep(self, now: float) -> None:
        """Forget whom no job has answered in time."""
        self._asked.difference_update(self._ends.take(now))

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            wanted, self._wanted = self._wanted, defaultdict(list)
            for app, users in wanted.items():
                for start in range(0, len(users), USERS_MAX):
                    self._put(app, users[start : start + USERS_MAX])

    def _put(self, app: str, users: list[str]) -> None:
        self._jobs.put(Sync(app=app, users=users, node=self._node), lambda: self.answered(app, users))
