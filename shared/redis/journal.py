"""The journal: the record in Redis of what was accepted and is not yet in the database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import redis

from shared.domain.gcra import Taken
from shared.ids import is_uuid7
from shared.protocol.jobs import Queue
from shared.protocol.journal import Entry
from shared.redis import keys
from shared.redis.client import guarded
from shared.redis.limits import Bucket, Demand, taken
from shared.redis.scripts import Script

FIRST_LOOK_MS = 15_000
LONGEST_LOOK_MS = 300_000
_LETTER = {"critical": "c", "normal": "n", "bulk": "b"}
_QUEUE = {"c": Queue.CRITICAL, "n": Queue.NORMAL, "b": Queue.BULK}


class Verdict(StrEnum):
    """What became of one request."""

    STORED = "stored"
    REPLAYED = "replayed"
    MISMATCH = "mismatch"
    FULL = "full"
    LIMITED = "limited"


class Retried(StrEnum):
    """What became of a retry; `waiting`: the entry is in the journal already."""

    STORED = "stored"
    WAITING = "waiting"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Submission:
    """One request: its entries, all or none but for those that a quota refuses.

    `idempotency` is (digest, hex fingerprint, answer) or None. With a `demand` the answer may have to be changed, so
    it stands in `answer` even where there is no idempotency.
    """

    entries: Sequence[Entry]
    encoded: Sequence[bytes]
    idempotency: tuple[str, str, str] | None = None
    demand: Demand | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The verdict on one request.

    `answer` is the earlier one where it was replayed, or the one that says which entries a quota refused; `refused` are
    their places; `taken` is what became of the demand's buckets, quotas only where they were asked.
    """

    verdict: Verdict
    answer: str | None = None
    refused: frozenset[int] = frozenset()
    taken: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True)
class TakenEntries:
    """Entries as (id, entry); `cancelled`: there are tombstones, some perhaps for these."""

    entries: list[tuple[str, bytes]]
    cancelled: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much the journal may hold, and how long an idempotency record lives (seconds)."""

    entries: int
    bytes: int
    idempotency_life: int = field(default=86_400)


class Journal:
    """Adapter of the journal's scripts."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._accept = Script("journal_accept", "gcra", "demands")
        self._done = Script("journal_done")
        self._take = Script("journal_take")
        self._due = Script("journal_due")
        self._fail = Script("journal_fail")
        self._bury = Script("journal_bury")
        self._retry = Script("journal_retry")

    def accept(
        self, submissions: Sequence[Submission], *, now_ms: int, bounds: Bounds, at_us: int | None = None
    ) -> list[Accepted]:
        """Write a group in one round trip; the verdicts stand in the order given. Raises RedisUnavailable.

        `at_us` takes the place of Redis's clock, by which limits go.
        """
        names = [keys.JOURNAL, keys.JOURNAL_DUE, keys.JOURNAL_BYTES, *keys.JOURNAL_WAITING]
        args: list[str | bytes | int] = [
            now_ms,
            now_ms + FIRST_LOOK_MS,
            bounds.entries,
            bounds.bytes,
            bounds.idempotency_life,
            "" if at_us is None else at_us,
            len(submissions),
        ]
        places, told = _places(submissions), dict[tuple[int, int, tuple[int, ...]], str]()
        for bucket in places:
            args += bucket.args()
        for submission in submissions:
            digest, fingerprint, answer = submission.idempotency or ("", "", submission.answer)
            names.append(keys.idempotency(digest) if digest else "")
            args += (fingerprint, answer, len(submission.entries))
            if (demand := submission.demand) is not None:
                # Those of one sender are the same objects and say the same.
                same = (id(demand.requests), id(demand.quotas), demand.costs or (len(submission.entries),))
                if same not in told:
                    told[same] = _told(demand, len(submission.entries), places)
                args[-1] = told[same]
                if len(submission.entries) > 1:
                    args += demand.refusals
            for entry, raw in zip(submission.entries, submission.encoded, strict=True):
                args += (f"{_LETTER[entry.priority]}:{entry.id}", entry.id, raw)
        names += [bucket.key for bucket in places]
        return [_accepted(reply) for reply in self._accept.run(self._client, names, args)]

    def take(
        self, ids: Sequence[str], *, now_ms: int, members_max: int, bytes_max: int, anyhow: bool
    ) -> TakenEntries:
        """The entries of a job, and what else of their priority waits, up to the bounds.

        Left out is what is gone and what another job has taken. `anyhow` gives a job exactly its own, taken or not:
        the last one that had them is known or believed to be dead. Raises RedisUnavailable.
        """
        names = [keys.JOURNAL, keys.JOURNAL_DUE, *keys.JOURNAL_WAITING, keys.JOURNAL_CANCELLED]
        args: list[str | bytes | int] = [now_ms + FIRST_LOOK_MS, members_max, bytes_max, int(anyhow)]
        cancelled, *found = self._take.run(self._client, names, [*args, *dict.fromkeys(ids)])
        # What was no entry at all may stand under an id that is no text.
        pairs = zip(found[::2], found[1::2], strict=True)
        return TakenEntries([(id.decode(errors="replace"), raw) for id, raw in pairs], bool(cancelled))

    def raw(self, ids: Sequence[str]) -> list[bytes | None]:
        """The entries as stored, None where there is none. Raises RedisUnavailable."""
        with guarded():
            found: Any = self._client.hmget(keys.JOURNAL, list(ids)) if ids else []
        return list(found)

    def done(self, ids: Sequence[str]) -> int:
        """Take committed entries out; tells how many were still there. Raises RedisUnavailable."""
        return self._finish(ids)[0]

    def finish(self, ids: Sequence[str]) -> bool:
        """Take committed entries out; whether there are tombstones, some perhaps for these. Raises RedisUnavailable.

        From now on nobody leaves one for them any more.
        """
        return bool(self._finish(ids)[1])

    def due(self, *, now_ms: int, limit: int) -> list[tuple[str, Queue]]:
        """Claim entries that wait longer than they should: (id, queue). Raises RedisUnavailable."""
        names = [keys.JOURNAL, keys.JOURNAL_DUE, keys.JOURNAL_TRIES]
        found = self._due.run(self._client, names, [now_ms, limit, FIRST_LOOK_MS, LONGEST_LOOK_MS])
        return [(member[2:].decode(), _QUEUE[member[:1].decode()]) for member in found]

    def fail(self, id: str, priority: str, *, next_look_ms: int) -> int:
        """Count a failed attempt to store; tells how many there were (0: it is gone). Raises RedisUnavailable."""
        names = [keys.JOURNAL, keys.JOURNAL_DUE, keys.JOURNAL_FAILURES]
        return int(self._fail.run(self._client, names, [id, f"{_LETTER[priority]}:{id}", next_look_ms]))

    def failures(self, ids: Sequence[str]) -> list[int]:
        """How often storing each entry failed so far. Raises RedisUnavailable."""
        with guarded():
            counts = self._client.hmget(keys.JOURNAL_FAILURES, list(ids)) if ids else []
        return [int(count or 0) for count in counts]

    def bury(self, id: str, reason: str) -> bool:
        """Move an entry that cannot be stored at all to the dead list, where it stays. Raises RedisUnavailable."""
        names = [
            keys.JOURNAL,
            keys.JOURNAL_DUE,
            keys.JOURNAL_BYTES,
            keys.JOURNAL_TRIES,
            keys.JOURNAL_FAILURES,
        ]
        return bool(
            self._bury.run(self._client, [*names, keys.JOURNAL_DEAD], [id, reason.replace("\n", " ")])
        )

    def buried(self, id: str) -> tuple[str, bytes] | None:
        """(reason, entry) of what could not be stored at all, None if it is not there. Raises RedisUnavailable."""
        with guarded():
            found = self._client.hget(keys.JOURNAL_DEAD, id)
        return _read_dead(found) if isinstance(found, bytes) else None

    def dead(self) -> list[str]:
        """The ids of all that is in the dead list, in no order. Raises RedisUnavailable."""
        with guarded():
            found: Any = self._client.hkeys(keys.JOURNAL_DEAD)
        # What was no entry at all may stand under an id that is no text.
        return [id.decode(errors="replace") for id in found]

    def buried_of(self, ids: Sequence[str]) -> list[tuple[str, bytes] | None]:
        """(reason, entry) of each, None where there is none. Raises RedisUnavailable."""
        with guarded():
            found: Any = self._client.hmget(keys.JOURNAL_DEAD, list(ids)) if ids else []
        return [_read_dead(one) if one is not None else None for one in found]

    def forget(self, ids: Sequence[str]) -> None:
        """Drop what is in the dead list under these ids. Raises RedisUnavailable."""
        with guarded():
            if ids:
                self._client.hdel(keys.JOURNAL_DEAD, *ids)

    def retry(self, entry: Entry, *, now_ms: int, bounds: Bounds) -> Retried:
        """Put an entry that had failed back, out of the dead list if it is there. Raises RedisUnavailable."""
        letter, due = _LETTER[entry.priority], now_ms + FIRST_LOOK_MS
        names = [keys.JOURNAL, keys.JOURNAL_DUE, keys.JOURNAL_BYTES, keys.JOURNAL_DEAD]
        names.append(keys.JOURNAL_WAITING["cnb".index(letter)])
        args: list[str | bytes | int] = [entry.id, f"{letter}:{entry.id}", due, entry.encode()]
        args += (bounds.entries, bounds.bytes, now_ms)
        return Retried(self._retry.run(self._client, names, args).decode())

    def newest(self, limit: int) -> list[str]:
        """Ids of at most `limit` entries, the last accepted first. Raises RedisUnavailable."""
        with guarded():
            # By when each is looked at next: until its first look that is the order of acceptance.
            found: Any = self._client.zrevrange(keys.JOURNAL_DUE, 0, limit - 1)
        ids = (member[2:].decode(errors="replace") for member in found)
        return sorted((id for id in ids if is_uuid7(id)), reverse=True)

    def _finish(self, ids: Sequence[str]) -> tuple[int, int]:
        names = [
            keys.JOURNAL,
            keys.JOURNAL_DUE,
            keys.JOURNAL_BYTES,
            keys.JOURNAL_TRIES,
            keys.JOURNAL_FAILURES,
            keys.JOURNAL_CANCELLED,
        ]
        removed, cancelled = self._done.run(self._client, names, list(dict.fromkeys(ids))) if ids else (0, 0)
        return int(removed), int(cancelled)

    def depth(self) -> tuple[int, int]:
        """(entries, bytes) in the journal. Raises RedisUnavailable."""
        with guarded():
            size = self._client.get(keys.JOURNAL_BYTES)
            return int(self._client.hlen(keys.JOURNAL)), int(size or 0)


def _places(submissions: Sequence[Submission]) -> dict[Bucket, int]:
    """The buckets of a group, each once, with their numbers from 1."""
    distinct = {
        id(buckets): buckets
        for submission in submissions
        if submission.demand is not None
        for buckets in (submission.demand.requests, submission.demand.quotas)
    }
    found: dict[Bucket, int] = {}
    for buckets in distinct.values():
        for bucket in buckets:
            found.setdefault(bucket, len(found) + 1)
    return found


def _told(demand: Demand, entries: int, places: dict[Bucket, int]) -> str:
    """What stands instead of the number of entries, see lua/demands.lua."""
    parts = (
        [places[bucket] for bucket in demand.requests],
        [places[bucket] for bucket in demand.quotas],
        demand.costs,
    )
    return " ".join([str(entries), *(",".join(map(str, part)) or "-" for part in parts)])


def _accepted(reply: list[Any]) -> Accepted:
    verdict = Verdict(reply[0].decode())
    answer = reply[1].decode() if len(reply) > 1 and reply[1] else None
    if len(reply) <= 2:  # noqa: PLR2004  # without a demand
        return Accepted(verdict, answer)
    return Accepted(verdict, answer, frozenset(reply[2]), tuple(map(taken, reply[3])))


def _read_dead(found: bytes) -> tuple[str, bytes]:
    reason, _, entry = found.partition(b"\n")
    return reason.decode(errors="replace"), entry
