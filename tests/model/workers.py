"""The workers of the model: what they store, hold in their hands and publish, and the jobs that wait for them.

`sync`, `replay` and `receipts` are done as workers/jobs does them; the model's database and Redis stand for the real.
"""

from collections.abc import Callable, Sequence

from shared.protocol.envelope import AppFrames, ReplayPart, encode_replay, encode_synced
from shared.protocol.jobs import JobArgs, Receipts, Replay, Sync
from tests.model.bus import Bus
from tests.model.database import APP, Database, Wish
from tests.model.ledger import History
from tests.model.redis import Redis
from workers.parts import cut

PART_BYTES = 300
REPLAY_FRAMES = 1000


class Workers:
    """All worker processes of the world."""

    def __init__(self, database: Database, redis: Redis, bus: Bus, history: History) -> None:
        self._database = database
        self._redis = redis
        self._bus = bus
        self._history = history
        self.unpublished: list[tuple[list[str], AppFrames]] = []
        """Committed, with the frames that the worker has in its hands."""
        self.stored: list[list[str]] = []
        self.jobs: list[tuple[JobArgs, Callable[[], None]]] = []
        self.rest = False
        self.dying = 0
        """So many of the next jobs are lost with the worker that took them."""

    def enqueue(self, args: JobArgs, failed: Callable[[], None]) -> None:
        """A node asks for a job."""
        self.jobs.append((args, failed))

    def forget(self) -> None:
        """All of them are stopped, and their queue is empty."""
        self.unpublished.clear()
        self.stored.clear()
        self.jobs.clear()

    def new_epoch(self) -> None:
        """The epoch ends, the rows stay."""
        self._history.new_epoch(self._database.bump_epoch)

    def send(self, wishes: Sequence[Wish], *, publish: bool, fates: Sequence[str] = ()) -> None:
        """A worker stores a group in one transaction, and publishes it or dies before."""
        ids = self._database.store(wishes)
        self.stored.append(ids)
        self.unpublished.append((ids, self._database.frames(ids)))
        if publish:
            self.publish(len(self.unpublished) - 1, torn=False, fates=fates)

    def publish(self, pick: int, *, torn: bool, fates: Sequence[str] = ()) -> None:
        """A worker publishes what it has in its hands, the newest first or not; `torn`: it dies half way."""
        if self.unpublished:
            place = pick % len(self.unpublished)
            if torn:
                self._redis.publish_me(self.unpublished[place][1])
            else:
                self._redis.publish(self.unpublished.pop(place)[1])
            self._bus.meet(fates)

    def publish_again(self, pick: int) -> None:
        """The reconciler has something published that may have been published before."""
        if self.stored:
            self._redis.publish(self._database.frames(self.stored[pick % len(self.stored)]))

    def work(self, pick: int, *, lose: bool = False, twice: bool = False, fates: Sequence[str] = ()) -> None:
        """A worker runs a job; or it is lost with the worker; or two workers run it."""
        if self.jobs:
            args, _ = self.jobs.pop(pick % len(self.jobs))
            if self.dying:
                self.dying -= 1
                lose = True
            if not lose:
                self._run(args)
            if twice:
                self._run(args)
            self._bus.meet(fates)

    def refuse(self, pick: int) -> None:
        """The broker did not take a job."""
        if self.jobs:
            self.jobs.pop(pick % len(self.jobs))[1]()

    def _run(self, args: JobArgs) -> None:
        match args:
            case Receipts():
                taken = self._redis.take(1000)
                for ack in taken:
                    self._database.apply_acks(ack.user, ack.me, ack.all)
                self._redis.done(taken)
            case Sync():
                self._sync(args)
            case Replay():
                self._replay(args)

    def _sync(self, args: Sync) -> None:
        """As workers/jobs/sync.py."""
        tops = self._redis.tops(APP, args.users)
        records = [self._database.record(user) for user in args.users]
        own = [len(self._database.all), *(record.top for record in records)]
        for (epoch, redis_top), top in zip([tops.all, *tops.users], own, strict=True):
            if epoch == self._database.epoch and redis_top is not None and redis_top > top:
                self.new_epoch()
        self._redis.put_many(APP, self._database.epoch, len(self._database.all), records, run=tops.run)
        self._redis.to_node(args.node, encode_synced(APP, args.users))

    def _replay(self, args: Replay) -> None:
        """As workers/jobs/replay.py."""
        found = self._database.read_frames(args.user, args.me, args.all, limit=REPLAY_FRAMES)
        parts = list(cut(found.me, found.all, limit=PART_BYTES))
        for number, part in enumerate(parts, start=1):
            envelope = ReplayPart(
                connection=args.connection,
                attempt=args.attempt,
                last=number == len(parts),
                me=found.me_top,
                all=found.all_top,
                recovered=found.complete,
                me_frames=part.me,
                all_frames=part.all,
                epoch=found.epoch,
                me_since=found.me_since,
                all_since=found.all_since,
            )
            if not self._redis.to_node(args.node, encode_replay(envelope)):
                return
