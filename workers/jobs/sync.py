"""Job `sync`: put users' records from the database into Redis, where nodes read them, and who is disabled.

Here too a database is found out that was restored from a backup: a stream in Redis that is ahead of its rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from shared import logs, metrics
from shared.protocol.envelope import Record, encode_synced
from shared.protocol.jobs import Sync
from shared.redis.client import RedisUnavailable
from shared.redis.streams import Tops
from shared.store import apps
from shared.store.apps import AppRow
from shared.store.epochs import bump_epoch
from shared.store.streams import read_records
from workers.deps import Deps
from workers.outcome import Outcome

log = logs.get(__name__)


def run(deps: Deps, args: Sync) -> Outcome:
    """Read the records, put them, tell the node.

    A record in Redis that no script can read costs its own user the sync, and none of those who share the job.
    """
    try:
        return _sync(deps, args)
    except RedisUnavailable:
        # Raises it again if it is Redis itself that cannot be used.
        deps.streams.check()
        if len(args.users) == 1:
            log.exception("stream_unreadable", app=args.app, user=args.users[0])
            return Outcome.FAILED
    half = len(args.users) // 2
    parts = [replace(args, users=args.users[:half]), replace(args, users=args.users[half:])]
    return Outcome.PARTLY if {run(deps, part) for part in parts} != {Outcome.DONE} else Outcome.DONE


def _sync(deps: Deps, args: Sync) -> Outcome:
    # Redis before the database: what is published was committed before, so a top read now cannot honestly be above
    # what the database says a moment later, and a run of Redis that began before the reading has lost nothing since.
    tops = deps.streams.tops(args.app, args.users)

    def read(session: Session) -> tuple[AppRow, list[Record]] | None:
        app = apps.get(session, args.app)
        return app and (app, read_records(session, app, args.users, now_ms=deps.clock.now_ms()))

    found = deps.database.run(read)
    if found is None:
        log.warning("sync_of_unknown_app", app=args.app)
        return Outcome.NOTHING
    app, records = found
    epoch = app.epoch
    for user, redis_top, top in _pairs(args, tops, app, records):
        if epoch == app.epoch and redis_top > top:
            epoch = new_epoch(deps, app, user=user, redis_top=redis_top, database_top=top)
    # What was read before the epoch ended may lack what was stored since: it names no run, and is asked for again.
    run = tops.run if epoch == app.epoch else ""
    deps.streams.put_many(args.app, epoch, app.all_seq, records, run=run)
    deps.revoking.restore(deps.clock.now_ms(), args.app)
    deps.bus.to_node(args.node, encode_synced(args.app, args.users))
    return Outcome.DONE


def _pairs(args: Sync, tops: Tops, app: AppRow, records: Sequence[Record]) -> Iterator[tuple[str, int, int]]:
    """What Redis and the database say of each stream of the same epoch: (user, or '' for everyone; tops of both)."""
    own = {record.user: record.top for record in records}
    both = [("", tops.all, app.all_seq)]
    both += [(user, top, own[user]) for user, top in zip(args.users, tops.users, strict=True) if user in own]
    for user, (epoch, redis_top), top in both:
        if epoch == app.epoch and redis_top is not None:
            yield user, redis_top, top


def new_epoch(deps: Deps, app: AppRow, *, user: str, redis_top: int, database_top: int) -> str:
    """End the app's epoch, because numbers that clients have seen are about to be given again; the new one."""

    def bump(session: Session) -> str:
        # Under the lock: of two jobs that see the same, one ends the epoch.
        now = apps.lock(session, [app.id])[app.id]
        return (bump_epoch(session, app.name) or now.epoch) if now.epoch == app.epoch else now.epoch

    fresh = deps.database.run(bump)
    metrics.epoch_bumps_total.inc()
    log.error(
        "epoch_ended", app=app.name, user=user, redis_top=redis_top, database_top=database_top, epoch=fresh,
        reason="Redis is ahead of the database: it was restored from an older state",
    )  # fmt: skip
    return fresh
