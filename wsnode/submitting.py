"""What clients send: judged at once, written to the journal together, answered, and a job asked for.

Rule S. The node is the second writer of the journal beside the api, under the same bounds, limits and quotas. Whatever
waits when the journal is free goes in one round trip; what waits is bounded, and what the journal does not confirm in
time is refused, with everything behind it, so that no client waits for a Redis that is away.
"""

import hashlib
import os
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Final, NamedTuple, assert_never

import gevent
import orjson
from gevent.event import Event

from shared import logs, metrics
from shared.clock import Clock
from shared.config import Settings
from shared.domain import quotas
from shared.domain.gcra import Policy
from shared.errors import AppError, IdempotencyMismatch, Internal, InvalidRequest, Unavailable
from shared.ids import uuid7
from shared.protocol.jobs import Deliver, Queue
from shared.redis.client import connect
from shared.redis.journal import Accepted, Bounds, Journal, Submission, Verdict
from shared.redis.limits import Demand, Standing, quota_buckets, user_buckets
from shared.redis.over_limit import over
from wsnode import drafts, messages
from wsnode.deadlines import Deadlines
from wsnode.drafts import Limits, Sender, Stamp
from wsnode.jobs import Jobs
from wsnode.loops import forever, safely
from wsnode.messages import Refused, Send, Waiting
from wsnode.ports import Peer

WAITING_MAX: Final = 2_000
"""Notifications that may wait for the journal; over it one more is refused."""

WAITING_BYTES: Final = 8_388_608
GROUP_MAX: Final = 256
GROUP_BYTES: Final = 1_048_576
PUBLISH_WAIT: Final = 5.0
"""Seconds until a client that waits for its notification to be published is told that it failed."""

_FULL_RETRY: Final = 5
_IGNORED: Final = frozenset({"type", "ref", "key"})
Commit = Callable[[Sequence[Submission]], list[Accepted]]
"""Writes a group in one round trip, or raises RedisUnavailable."""

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Policies:
    """The limit on what a user asks, and the quotas on recipients; None where none is set."""

    user: Policy | None = None
    sender: Policy | None = None
    app: Policy | None = None


class _Order(NamedTuple):
    peer: Peer
    asked: Waiting
    submission: Submission
    published: bool

    @property
    def size(self) -> int:
        return len(self.submission.encoded[0])


class Submitting:
    """The one way from a socket into the journal; `timeout` is in seconds."""

    def __init__(
        self, commit: Commit, jobs: Jobs, policies: Policies, limits: Limits, clock: Clock, *, timeout: float
    ) -> None:
        self._commit = commit
        self._jobs = jobs
        self._policies = policies
        self._limits = limits
        self._clock = clock
        self._timeout = timeout
        self._waiting: deque[_Order] = deque()
        self._bytes = 0
        self._serials = count(1)
        self._writing = False
        self._wake = Event()
        self._answers: Deadlines[tuple[Peer, Waiting]] = Deadlines(PUBLISH_WAIT)

    def start(self) -> list[gevent.Greenlet]:
        """Begin to write."""
        return [forever(self._round, part="submitting", wake=self._wake)]

    def send(self, peer: Peer, send: Send, asked: Waiting) -> None:
        """Take what a client sends; the answer comes by `reply` of `asked`. Never blocks."""
        try:
            order = self._order(peer, send, asked)
            if len(self._waiting) >= WAITING_MAX or self._bytes + order.size > WAITING_BYTES:
                metrics.refused_total.labels("waiting").inc()
                raise Unavailable("Too much waits to be accepted.", retry_after=1)
        except AppError as error:
            refuse(peer, asked, error)
            return
        self._waiting.append(order)
        self._bytes += order.size
        if order.published:
            self._answers.add((peer, asked), self._clock.monotonic())
        self._wake.set()

    def idle(self) -> bool:
        """Whether everything that was taken is written and answered, and its jobs are asked for."""
        return not self._waiting and not self._writing

    def sweep(self, now: float) -> None:
        """Tell those who waited in vain for what they sent to be published."""
        for peer, asked in self._answers.take(now):
            refused = Refused("timeout", "No answer in time; it may still be sent.", asked.ref)
            safely(peer, partial(peer.reply, asked.ref, messages.error(refused), of=asked))

    def _order(self, peer: Peer, send: Send, asked: Waiting) -> _Order:
        """Judge it. Raises an AppError."""
        now_ms = self._clock.now_ms()
        stamp = Stamp(
            id=uuid7(now_ms, os.urandom(10)),
            request_id=f"{peer.name}-{next(self._serials):x}",
            now_ms=now_ms,
            reply_to=(peer.name, asked.ref) if send.published else None,
        )
        entry = drafts.entry(send.doc, Sender(peer.app, peer.user, peer.scopes), self._limits, stamp)
        repeat = _idempotency(peer, send.doc, entry.id)
        demand = self._demand(peer, entry.users)
        submission = Submission([entry], [entry.encode()], repeat, demand)
        return _Order(peer, asked, submission, send.published)

    def _demand(self, peer: Peer, users: Sequence[str]) -> Demand | None:
        asked = self._policies
        sender = f"user:{peer.user}"
        requests = user_buckets(asked.user, peer.app, peer.user)
        buckets = quota_buckets(asked.sender, asked.app, peer.app, sender)
        cost = quotas.cost(users)
        for quota in buckets:
            if cost > quota.policy.limit:
                raise InvalidRequest(
                    f"to.users: More than {quota.name} ever allows: {quota.policy.limit} recipients."
                )
        return Demand(requests, buckets, (cost,) if buckets else ()) if requests or buckets else None

    def _round(self) -> None:
        self._wake.wait()
        self._wake.clear()
        self._writing = True
        try:
            while self._waiting:
                self._write(self._take())
        finally:
            self._writing = False

    def _take(self) -> list[_Order]:
        """What goes in one round trip; one at least."""
        group: list[_Order] = []
        size = 0
        while self._waiting and len(group) < GROUP_MAX:
            size += self._waiting[0].size
            if group and size > GROUP_BYTES:
                break
            group.append(self._waiting.popleft())
        self._bytes -= sum(order.size for order in group)
        return group

    def _write(self, group: list[_Order]) -> None:
        try:
            with gevent.Timeout(self._timeout):
                verdicts = self._commit([order.submission for order in group])
        except gevent.Timeout:
            text = f"The journal has not confirmed within {self._timeout:g} s; it may have been kept."
            self._fail([*group, *self._take_all()], Unavailable(text, retry_after=1))
        except AppError as error:
            self._fail([*group, *self._take_all()], error)
        except Exception:
            # Whoever waits must get an answer, and the writer must go on, whatever went wrong.
            log.exception("accept_failed")
            self._fail(group, Internal())
        else:
            self._settle(group, verdicts)

    def _take_all(self) -> list[_Order]:
        """All that waits: it has waited for as long as the journal did not answer."""
        waiting, self._bytes = list(self._waiting), 0
        self._waiting.clear()
        return waiting

    def _fail(self, orders: Sequence[_Order], error: AppError) -> None:
        metrics.refused_total.labels("journal").inc(len(orders))
        log.warning("accept_refused", reason=error.message, requests=len(orders))
        for order in orders:
            safely(order.peer, partial(refuse, order.peer, order.asked, error))

    def _settle(self, group: Sequence[_Order], verdicts: Sequence[Accepted]) -> None:
        """Ask for the jobs, then answer: an answer that cannot be written ends a connection, never this."""
        stored: dict[str, list[str]] = defaultdict(list)
        for order, accepted in zip(group, verdicts, strict=True):
            if accepted.verdict is Verdict.STORED:
                entry = order.submission.entries[0]
                stored[entry.priority].append(entry.id)
        for priority, ids in stored.items():
            metrics.accepted_total.labels(priority).inc(len(ids))
            self._jobs.put(Deliver(ids=ids), metrics.enqueue_failed_total.inc, queue=Queue(priority))
        for order, accepted in zip(group, verdicts, strict=True):
            safely(order.peer, partial(_answer, order, accepted))


def submitting(settings: Settings, jobs: Jobs, clock: Clock) -> Submitting:
    """Make it, with a client of Redis of its own that has the deadline of an acceptance."""
    journal = Journal(
        connect(settings.redis_url, timeout=settings.accept_timeout, name="bellhop-node-intake")
    )
    bounds = Bounds(settings.intake_max, settings.intake_max_bytes, settings.idempotency_life)
    limits = Limits(settings.ttl_default, settings.ttl_max, settings.body_max)
    policies = Policies(*map(settings.policy, ("limit_user", "quota_key", "quota_app")))

    def commit(submissions: Sequence[Submission]) -> list[Accepted]:
        return journal.accept(submissions, now_ms=clock.now_ms(), bounds=bounds)

    return Submitting(commit, jobs, policies, limits, clock, timeout=settings.accept_timeout)


def refuse(peer: Peer, asked: Waiting, error: AppError) -> None:
    """Tell a client why what it sent was not accepted."""
    refused = Refused(error.code, error.message, asked.ref)
    doc = messages.error(refused, retryable=error.retryable, retry_after=error.retry_after)
    peer.reply(asked.ref, doc, of=asked)


def _answer(order: _Order, accepted: Accepted) -> None:
    peer, asked = order.peer, order.asked
    match accepted.verdict:
        case Verdict.STORED:
            if not order.published:
                result = {"id": order.submission.entries[0].id, "status": "accepted"}
                peer.reply(asked.ref, messages.reply(asked.ref, result), of=asked)
        case Verdict.REPLAYED:
            peer.reply(asked.ref, messages.reply(asked.ref, orjson.loads(accepted.answer or "{}")), of=asked)
        case Verdict.LIMITED:
            demand = order.submission.demand
            buckets = demand.buckets if demand else ()
            refuse(
                peer, asked, over([Standing(*pair) for pair in zip(buckets, accepted.taken, strict=False)])
            )
        case Verdict.MISMATCH:
            refuse(peer, asked, IdempotencyMismatch("This key was used with another notification."))
        case Verdict.FULL:
            metrics.refused_total.labels("full").inc()
            text = "The journal is full: workers do not keep up."
            refuse(peer, asked, Unavailable(text, retry_after=_FULL_RETRY))
        case _:
            assert_never(accepted.verdict)


def _idempotency(peer: Peer, doc: dict[str, Any], id: str) -> tuple[str, str, str] | None:
    """(digest of the place, fingerprint of the frame, answer to repeat). Raises InvalidRequest."""
    key = drafts.key(doc)
    if key is None:
        return None
    place = hashlib.sha256(f"{peer.app}\x00socket {peer.user}\x00{key}".encode()).hexdigest()
    said = {name: value for name, value in doc.items() if name not in _IGNORED}
    fingerprint = hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return place, fingerprint, orjson.dumps({"id": id, "status": "accepted"}).decode()
