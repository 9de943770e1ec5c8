"""From what a sender asks to journal entries: audience, limits, ids, idempotency.

Rule U. Called by api.resources.notifications; the writing itself is api.intake's. Everything that can be said against a
notification without the database is said here, before anything is kept.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

import orjson

from api import audiences, sending_time
from api.audiences import Lookups
from api.intake import PRIORITIES, Intake
from api.limits import Sending, refusal
from api.schemas.notifications import NOTIFICATION, NotificationIn
from api.sending_time import SendingTime
from api.validation import check, invalid
from shared import metrics
from shared.clock import Clock
from shared.domain import quotas
from shared.errors import (
    AppError,
    BodyTooLarge,
    IdempotencyMismatch,
    Unavailable,
)
from shared.ids import uuid7
from shared.protocol.journal import Entry
from shared.redis.journal import Accepted, Submission, Verdict
from shared.redis.limits import Bucket, Demand, Standing
from shared.redis.over_limit import over

KEY_HEADER: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)
_FULL_RETRY: Final = 5
_AT_ONCE: Final = SendingTime(None, 0)
_NOISE: Final = 10
"""Random bytes of one id."""

NO_LIMITS: Final = Sending()


@dataclass(frozen=True, slots=True)
class Limits:
    """`ttl`s and `send_ahead_max` in seconds, `entry_max` in bytes, `batch_items` in notifications."""

    ttl_default: int
    ttl_max: int
    entry_max: int
    batch_items: int
    send_ahead_max: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks, for which app, under which request id, by which route, and under which limits."""

    app: str
    sender: str
    request_id: str
    route: str
    limits: Sending = NO_LIMITS


@dataclass(frozen=True, slots=True)
class Answered:
    """The body of the 202, whether it is the one given before, and how the caller's limits stand."""

    body: bytes
    replayed: bool
    standings: Sequence[Standing] = ()


class Acceptance:
    """Accepts notifications, one or many, all of one request or none."""

    def __init__(
        self,
        intake: Intake,
        limits: Limits,
        *,
        lookups: Lookups,
        clock: Clock,
        random: Callable[[int], bytes],
    ) -> None:
        self._intake = intake
        self._limits = limits
        self._lookups = lookups
        self._clock = clock
        self._random = random

    def one(self, asked: NotificationIn, origin: Origin, key: str | None) -> Answered:
        """Accept one notification; any AppError refuses it."""
        now_ms = self._clock.now_ms()
        id = uuid7(now_ms, self._random(_NOISE))
        entry = self._entry(asked, origin, now_ms, id, self._lookups)
        body = b'{"id":"' + entry.id.encode() + b'","status":"accepted"}'
        return self._submit([entry], body, _idempotency(origin, key, asked, body), origin)

    def many(self, items: Sequence[Any], origin: Origin, key: str | None) -> Answered:
        """Accept the good ones of many; the answer says for each what became of it, in their order."""
        if len(items) > self._limits.batch_items:
            raise invalid("notifications", f"More than {self._limits.batch_items} notifications.")
        now_ms = self._clock.now_ms()
        # At once: each call of the system for random bytes costs as much as the rest of an id.
        noise = self._random(_NOISE * len(items))
        # Asked once for all items that ask the same.
        lookups = self._lookups.cached()
        entries: list[Entry] = []
        answers: list[dict[str, Any]] = []
        for start, item in enumerate(items):
            id = uuid7(now_ms, noise[start * _NOISE : (start + 1) * _NOISE])
            try:
                entry = self._entry(check(NOTIFICATION, item), origin, now_ms, id, lookups)
            except Unavailable:
                # Nothing is kept yet. In the answer it would be kept under the key, and repeating would not help.
                raise
            except AppError as error:
                answers.append({"error": error.body(origin.request_id)})
            else:
                entries.append(entry)
                answers.append({"id": entry.id, "status": "accepted"})
        body = orjson.dumps({"items": answers})
        idempotency = _idempotency(origin, key, items, body)
        if not entries and idempotency is None:
            return Answered(body, replayed=False)
        return self._submit(entries, body, idempotency, origin)

    def entry(self, asked: NotificationIn, origin: Origin, id: str) -> Entry:
        """Judge a notification as if it was sent now, and send nothing; raises as `one`."""
        return self._entry(asked, origin, self._clock.now_ms(), id, self._lookups)

    def _submit(
        self,
        entries: list[Entry],
        body: bytes,
        idempotency: tuple[str, str, str] | None,
        origin: Origin,
    ) -> Answered:
        encoded = [entry.encode() for entry in entries]
        submission = Submission(entries, encoded, idempotency)
        if origin.limits.requests or origin.limits.quotas:
            demand = _demand(entries, origin)
            submission = Submission(entries, encoded, idempotency, demand, body.decode())
        accepted = self._intake.submit(submission, priority=_highest(entries))
        return _answered(accepted, body, submission.demand)

    def _entry(self, asked: NotificationIn, origin: Origin, now_ms: int, id: str, lookups: Lookups) -> Entry:
        """Build the journal entry; raises InvalidRequest, NotSupported, BodyTooLarge, and Unavailable by `lookups`."""
        to = asked["to"]
        out = audiences.judged(origin.app, to, lookups)
        _refuse_never(to.get("users", ()), origin.limits.quotas)
        ttl = asked.get("ttl", self._limits.ttl_default)
        if ttl > self._limits.ttl_max:
            raise invalid("ttl", f"More than {self._limits.ttl_max} seconds.")
        tags = asked.get("tags")
        data = orjson.dumps(asked.get("data", {}))
        if len(data) > self._limits.entry_max:
            raise BodyTooLarge(f"A notification may hold {self._limits.entry_max} bytes.")
        when = _AT_ONCE
        if "send_at" in asked or "send_at_zone" in asked:
            when = sending_time.read(asked, now_ms=now_ms, ahead_max_s=self._limits.send_ahead_max)
        return Entry(
            id=id,
            app=origin.app,
            accepted_at=now_ms,
            expires_at=max(now_ms, when.until) + ttl * 1000,
            request_id=origin.request_id,
            sender=origin.sender,
            priority=asked.get("priority", "normal"),
            users=tuple(to.get("users", ())),
            topics=tuple(to["topics"]) if "topics" in to else (),
            everyone=to.get("everyone", False),
            exclude=out.users,
            exclude_topics=out.topics,
            segments=tuple(to["segments"]) if "segments" in to else (),
            exclude_segments=out.segments,
            event=asked["event"],
            data_json=data.decode(),
            ttl=ttl,
            collapse_key=asked.get("collapse_key"),
            cancel_key=asked.get("cancel_key"),
            thread_key=asked.get("thread_key"),
            tags_json=orjson.dumps(tags).decode() if tags else "[]",
            send_at=when.at,
            local_at=when.local_at,
        )


def read_key(value: str | None) -> str | None:
    """Check the header Idempotency-Key."""
    if value is not None and not _KEY.fullmatch(value):
        raise invalid(KEY_HEADER, "1 to 200 visible ASCII characters.")
    return value


def _highest(entries: list[Entry]) -> str:
    """Return the priority in whose lane the whole request travels: it is accepted whole or not at all."""
    found = {entry.priority for entry in entries}
    return next((priority for priority in PRIORITIES if priority in found), "normal")


def _idempotency(origin: Origin, key: str | None, asked: Any, body: bytes) -> tuple[str, str, str] | None:
    """Return (digest of the place, fingerprint of the request, answer to repeat)."""
    if key is None:
        return None
    place = hashlib.sha256(f"{origin.app}\x00{origin.route}\x00{key}".encode()).hexdigest()
    # Sorted, so that a caller that builds its body anew with other spacing or order is recognised.
    fingerprint = hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return place, fingerprint, body.decode()


def _refuse_never(users: Sequence[str], buckets: Sequence[Bucket]) -> None:
    """Refuse more named users than a quota ever allows: no wait would make them fit."""
    for quota in buckets:
        if quotas.cost(users) > quota.policy.limit:
            raise invalid("to.users", f"More than {quota.name} ever allows: {quota.policy.limit} recipients.")


def _demand(entries: Sequence[Entry], origin: Origin) -> Demand:
    requests, buckets = origin.limits
    costs = tuple(quotas.cost(entry.users) for entry in entries) if buckets else ()
    if len(entries) < 2:  # noqa: PLR2004  # a single one is refused as a whole
        return Demand(requests, buckets, costs)
    return Demand(requests, buckets, costs, tuple(refusal(quota, origin.request_id) for quota in buckets))


def _answered(accepted: Accepted, body: bytes, demand: Demand | None) -> Answered:
    # Quotas are asked last, and of a replay not at all.
    buckets = demand.buckets if demand else ()
    standings = [Standing(bucket, taken) for bucket, taken in zip(buckets, accepted.taken, strict=False)]
    match accepted.verdict:
        case Verdict.STORED:
            if accepted.refused:
                metrics.quota_refused_total.inc(len(accepted.refused))
                body = (accepted.answer or "").encode()
            return Answered(body, replayed=False, standings=standings)
        case Verdict.REPLAYED:
            return Answered((accepted.answer or "").encode(), replayed=True, standings=standings)
        case Verdict.LIMITED:
            raise over(standings)
        case Verdict.MISMATCH:
            raise IdempotencyMismatch
        case Verdict.FULL:
            metrics.refused_total.labels("full").inc()
            raise Unavailable("The journal is full: workers do not keep up.", retry_after=_FULL_RETRY)
        case _:
            assert_never(accepted.verdict)
