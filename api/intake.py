"""Hop 2 of 9: group commit: requests that arrive together are written to the journal together.

Rule U. One round trip and one job per request made 2,100 requests/s of a process that can do 9,000; one per group makes
7,400. A group is whatever waits when the flusher wakes, so a lone request waits for nobody and there is no timer. The
journal write is the acceptance; the job only says that there is work, and if it cannot be sent the reconciler sends it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import gevent
from gevent.event import Event

from shared import logs, metrics
from shared.errors import AppError, Internal, Unavailable
from shared.protocol.jobs import Deliver, Queue
from shared.redis.journal import Accepted, Submission

log = logs.get(__name__)

PRIORITIES: Final = ("critical", "normal", "bulk")
Commit = Callable[[Sequence[Submission]], list[Accepted]]
"""Writes a group in one round trip, or raises RedisUnavailable."""

Enqueue = Callable[[Deliver, Queue], None]
"""Sends one job, or raises QueueUnavailable."""


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """How big a group may be, how much may wait, and how long the journal has to answer (seconds)."""

    members: int = 256
    bytes: int = 1_048_576
    waiting_bytes: int = 67_108_864
    timeout: float = 0.5


@dataclass(slots=True)
class _Group:
    """Requests that share one round trip; each waits on `done` and then reads its own verdict."""

    submissions: list[Submission] = field(default_factory=list)
    members: int = 0
    bytes: int = 0
    done: Event = field(default_factory=Event)
    verdicts: list[Accepted] = field(default_factory=list)
    error: AppError | None = None

    def fits(self, members: int, size: int, limits: GroupLimits) -> bool:
        """Say whether one more request fits; the first always does, a batch may be bigger than a group."""
        if not self.submissions:
            return True
        return self.members + members <= limits.members and self.bytes + size <= limits.bytes


class Intake:
    """Takes requests of all priorities; a lane each, so that critical ones do not wait behind a large batch."""

    def __init__(self, commit: Commit, enqueue: Enqueue, limits: GroupLimits) -> None:
        jobs = _Jobs(enqueue, limits)
        self._lanes = {priority: _Lane(commit, jobs, limits) for priority in PRIORITIES}

    def submit(self, submission: Submission, *, priority: str) -> Accepted:
        """Wait until the journal has answered for `submission`. Raises Unavailable; then it may or may not be kept."""
        return self._lanes[priority].submit(submission)


class _Lane:
    """The groups of one priority and the greenlet that commits them one after the other."""

    def __init__(self, commit: Commit, jobs: "_Jobs", limits: GroupLimits) -> None:
        self._commit = commit
        self._jobs = jobs
        self._limits = limits
        self._groups: deque[_Group] = deque()
        self._waiting_bytes = 0
        self._flushing = False

    def submit(self, submission: Submission) -> Accepted:
        """Join the last group or open one, and wait for it."""
        members, size = len(submission.entries), sum(map(len, submission.encoded))
        if self._waiting_bytes + size > self._limits.waiting_bytes:
            metrics.refused_total.labels("waiting").inc()
            raise Unavailable("Too much waits to be accepted.", retry_after=1)
        if not self._groups or not self._groups[-1].fits(members, size, self._limits):
            self._groups.append(_Group())
        group = self._groups[-1]
        place = len(group.submissions)
        group.submissions.append(submission)
        group.members += members
        group.bytes += size
        self._waiting_bytes += size
        if not self._flushing:
            self._flushing = True
            gevent.spawn(self._flush)
        group.done.wait()
        if group.error is not None:
            # One error for many greenlets: without this each raise would lengthen its traceback.
            raise group.error.with_traceback(None)
        return group.verdicts[place]

    def _flush(self) -> None:
        """Commit until nothing waits.

        The event loop runs this after it has read all requests that were readable, so those share a group.
        """
        try:
            while self._groups:
                group = self._groups.popleft()
                self._waiting_bytes -= group.bytes
                self._commit_group(group)
        finally:
            self._flushing = False

    def _commit_group(self, group: _Group) -> None:
        try:
            with gevent.Timeout(self._limits.timeout):
                group.verdicts = self._commit(group.submissions)
        except gevent.Timeout:
            late = f"The journal has not confirmed within {self._limits.timeout:g} s; it may have been kept."
            error = Unavailable(f"{late} Repeat with the same Idempotency-Key.", retry_after=1)
            self._fail([group, *self._take_waiting()], error)
        except AppError as error:
            self._fail([group, *self._take_waiting()], error)
        except Exception as error:
            # Whoever waits must get an answer, whatever went wrong.
            log.exception("accept_failed", exc_info=error)
            self._fail([group], Internal())
        else:
            group.done.set()
            self._jobs.add(group)

    def _take_waiting(self) -> list[_Group]:
        """Take all that waits: it has waited for as long as the journal did not answer, and no longer than allowed."""
        waiting = list(self._groups)
        self._groups.clear()
        self._waiting_bytes = 0
        return waiting

    def _fail(self, failed: list[_Group], error: AppError) -> None:
        count = sum(len(each.submissions) for each in failed)
        metrics.refused_total.labels("journal").inc(count)
        log.warning("accept_refused", reason=error.message, requests=count)
        for each in failed:
            each.error = error
            each.done.set()


class _Jobs:
    """Sends `deliver` jobs for what was accepted, beside the lanes: a broker that hangs holds up no acceptance."""

    def __init__(self, enqueue: Enqueue, limits: GroupLimits) -> None:
        self._enqueue = enqueue
        self._limits = limits
        self._pending: dict[str, deque[tuple[str, int]]] = {priority: deque() for priority in PRIORITIES}
        self._sending = False

    def add(self, group: _Group) -> None:
        """Note the entries that were stored, each under its own priority."""
        stored = dict.fromkeys(PRIORITIES, 0)
        for submission, accepted in zip(group.submissions, group.verdicts, strict=True):
            if accepted.verdict != "stored":
                continue
            for place, entry in enumerate(submission.entries):
                # A quota may have left some out.
                if place not in accepted.refused:
                    self._pending[entry.priority].append((entry.id, len(submission.encoded[place])))
                    stored[entry.priority] += 1
        for priority, count in stored.items():
            if count:
                metrics.accepted_total.labels(priority).inc(count)
        if not self._sending and any(self._pending.values()):
            self._sending = True
            gevent.spawn(self._send)

    def _send(self) -> None:
        try:
            while priority := next((name for name in PRIORITIES if self._pending[name]), None):
                self._send_one(priority)
        finally:
            self._sending = False

    def _send_one(self, priority: str) -> None:
        ids = self._take(self._pending[priority])
        try:
            self._enqueue(Deliver(ids=ids), Queue(priority))
        except Exception as error:  # noqa: BLE001  # accepted is accepted: the reconciler finds the entries
            # What piled up meanwhile would fail as slowly; the journal has it all.
            dropped = len(ids) + sum(map(len, self._pending.values()))
            for pending in self._pending.values():
                pending.clear()
            metrics.enqueue_failed_total.inc(dropped)
            log.warning("enqueue_failed", reason=str(error), notifications=dropped)

    def _take(self, pending: deque[tuple[str, int]]) -> list[str]:
        """Take the ids of one job: as many as a worker stores in one transaction."""
        ids: list[str] = []
        room = self._limits.bytes
        while pending and len(ids) < self._limits.members and (not ids or pending[0][1] <= room):
            id, size = pending.popleft()
            ids.append(id)
            room -= size
        return ids
