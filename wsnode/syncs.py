"""Users whose record this run of Redis does not have: `sync` jobs put it there, many users a job.

Rule S. After a restart of Redis, or for people never seen before, everybody on the node needs one at once: a job for
each brought 75 users a second, because each paid for a message and a transaction of its own.
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Final

import gevent
from gevent.event import Event

from shared.protocol.jobs import Sync
from wsnode.deadlines import Deadlines
from wsnode.jobs import Jobs
from wsnode.loops import forever

USERS_MAX: Final = 100
"""Users of one job: what registers together (wsnode.registrar) is synced together."""

WAIT: Final = 9.0
"""Seconds in which a second `sync` of the same user is not asked for; shorter than the replay deadline."""

_Key = tuple[str, str]


class Syncs:
    """Asks for records; a user who waits for one is not asked for again.

    Who cannot follow without it goes first. All others (after a restart of Redis: everybody) go one job at a time, so
    that a node with 100,000 of them never stands in the way of people who connect.
    """

    def __init__(self, node: str, jobs: Jobs) -> None:
        self._node = node
        self._jobs = jobs
        self._now = 0.0
        self._first: dict[_Key, None] = {}
        self._rest: dict[_Key, None] = {}
        self._asked: set[_Key] = set()
        self._ends: Deadlines[_Key] = Deadlines(WAIT)
        self._slow: set[_Key] = set()
        """Of those asked for, the one job that is for nobody who waits."""
        self._wake = Event()

    def start(self) -> list[gevent.Greenlet]:
        """Begin to ask."""
        return [forever(self._round, part="syncs", wake=self._wake)]

    def ask(self, app: str, user: str, now: float, *, waits: bool) -> None:
        """Want the record of a user; `waits`: somebody cannot follow without it. `now` is monotonic. Never blocks."""
        self._now, key = now, (app, user)
        if key in self._asked:
            return
        if waits:
            self._rest.pop(key, None)
            self._first[key] = None
        elif key not in self._first:
            self._rest[key] = None
        self._wake.set()

    def answered(self, app: str, users: Iterable[str]) -> None:
        """A job has ended, or could not be enqueued: these may be asked for again."""
        self._end((app, user) for user in users)

    def sweep(self, now: float) -> None:
        """Forget whom no job has answered in time."""
        self._now = now
        self._end(self._ends.take(now))

    def _end(self, keys: Iterable[_Key]) -> None:
        done = set(keys)
        self._asked -= done
        self._slow -= done
        if self._rest and not self._slow:
            self._wake.set()

    def _round(self) -> None:
        self._wake.wait()
        self._wake.clear()
        first, self._first = self._first, {}
        self._put(list(first))
        if self._rest and not self._slow:
            part = list(islice(self._rest, USERS_MAX))
            for key in part:
                del self._rest[key]
            self._slow.update(part)
            self._put(part)

    def _put(self, keys: list[_Key]) -> None:
        by_app: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            self._asked.add(key)
            self._ends.add(key, self._now)
            by_app[key[0]].append(key[1])
        for app, users in by_app.items():
            for start in range(0, len(users), USERS_MAX):
                self._enqueue(app, users[start : start + USERS_MAX])

    def _enqueue(self, app: str, users: list[str]) -> None:
        self._jobs.put(Sync(app=app, users=users, node=self._node), lambda: self.answered(app, users))
