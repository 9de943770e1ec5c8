"""Stand-ins for what the api reaches over a wire: a clock to be set, a journal and a queue in memory."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import gevent

from shared.domain.gcra import take_all
from shared.errors import Unavailable
from shared.protocol.jobs import Deliver, Queue
from shared.protocol.journal import Entry
from shared.queue import QueueUnavailable
from shared.redis.client import RedisUnavailable
from shared.redis.journal import Accepted, Submission, Verdict
from shared.redis.limits import Bucket, Standing

NOW = 1_767_225_600_000


def until(condition: Callable[[], bool], *, seconds: float = 5) -> None:
    """Let other greenlets run until `condition` holds."""
    with gevent.Timeout(seconds):
        while not condition():
            gevent.sleep(0.001)


@dataclass
class FakeClock:
    """A clock that stands until it is moved."""

    ms: int = NOW

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    def advance(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


def counting_random() -> Callable[[int], bytes]:
    """Bytes of which any ten that belong together are different, the same in each run."""
    numbers = itertools.count(1)

    def random(n: int) -> bytes:
        return b"".join(next(numbers).to_bytes(min(10, n - start), "big") for start in range(0, n, 10))

    return random


@dataclass
class FakeJournal:
    """The journal's contract without Redis: all or none of a request, idempotency, a limit, an outage."""

    room: int = 1_000_000
    away: bool = False
    hangs: float = 0
    groups: list[list[Submission]] = field(default_factory=list)
    entries: dict[str, bytes] = field(default_factory=dict)
    dead: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    records: dict[str, tuple[str, str]] = field(default_factory=dict)

    def accept(self, submissions: Sequence[Submission]) -> list[Accepted]:
        gevent.sleep(self.hangs)
        if self.away:
            raise RedisUnavailable(retry_after=1)
        self.groups.append(list(submissions))
        return [self._accept(submission) for submission in submissions]

    def _accept(self, submission: Submission) -> Accepted:
        digest, fingerprint, answer = submission.idempotency or ("", "", "")
        if digest in self.records:
            known, earlier = self.records[digest]
            return Accepted(Verdict.REPLAYED, earlier) if known == fingerprint else Accepted(Verdict.MISMATCH)
        if len(self.entries) + len(submission.entries) > self.room:
            return Accepted(Verdict.FULL)
        for entry, raw in zip(submission.entries, submission.encoded, strict=True):
            self.entries[entry.id] = raw
        if digest:
            self.records[digest] = (fingerprint, answer)
        return Accepted(Verdict.STORED)

    def decoded(self) -> list[Entry]:
        return [Entry.decode(raw) for raw in self.entries.values()]

    def raw(self, ids: Sequence[str]) -> list[bytes | None]:
        self._answer()
        return [self.entries.get(id) for id in ids]

    def buried(self, id: str) -> tuple[str, bytes] | None:
        return self.dead.get(id)

    def depth(self) -> tuple[int, int]:
        self._answer()
        return len(self.entries), sum(map(len, self.entries.values()))

    def ping(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.away:
            raise RedisUnavailable("Redis does not answer: it is away", retry_after=1)


@dataclass
class FakeLimits:
    """Buckets in memory, by a clock that stands."""

    away: bool = False
    tats: dict[str, int] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)

    def take(self, buckets: Sequence[Bucket], *, cost: int = 1) -> list[Standing]:
        if self.away:
            raise RedisUnavailable("Redis does not answer: it is away", retry_after=1)
        self.calls.append([f"{bucket.name} {bucket.subject}" for bucket in buckets])
        found = take_all(
            [(bucket.policy, self.tats.get(bucket.key, 0)) for bucket in buckets], NOW * 1000, cost
        )
        if all(taken.allowed for taken in found):
            self.tats |= {bucket.key: taken.tat for bucket, taken in zip(buckets, found, strict=True)}
        return [Standing(bucket, taken) for bucket, taken in zip(buckets, found, strict=True)]


@dataclass
class FakeQueue:
    """Remembers the jobs."""

    away: bool = False
    hangs: float = 0
    jobs: list[tuple[Queue, list[str]]] = field(default_factory=list)

    def enqueue(self, job: Deliver, queue: Queue) -> None:
        gevent.sleep(self.hangs)
        if self.away:
            raise QueueUnavailable(retry_after=1)
        self.jobs.append((queue, job.ids))


@dataclass
class FakeKeys:
    """A table of keys that can be out of reach."""

    rows: dict[str, object] = field(default_factory=dict)
    away: bool = False
    hangs: float = 0
    reads: int = 0

    def load(self, id: str) -> object:
        self.reads += 1
        gevent.sleep(self.hangs)
        if self.away:
            raise Unavailable(retry_after=2)
        return self.rows.get(id)
