"""Job `sync`: put a user's record from the database into Redis, where nodes read it.

Here too a database is found out that was restored from a backup: a stream in Redis that is ahead of its rows.
"""

from sqlalchemy.orm import Session

from shared import logs, metrics
from shared.protocol.envelope import Record, encode_synced
from shared.protocol.jobs import Sync
from shared.store import apps
from shared.store.apps import AppRow
from shared.store.epochs import bump_epoch
from shared.store.streams import read_record
from workers.deps import Deps
from workers.outcome import Outcome

log = logs.get(__name__)


def run(deps: Deps, args: Sync) -> Outcome:
    """Read the record, put it, tell the node."""
    # Redis before the database: what is published was committed before, so a top read now cannot honestly be above
    # what the database says a moment later.
    tops = (deps.streams.known(args.app, args.user), deps.streams.app_top(args.app))

    def read(session: Session) -> tuple[AppRow, Record] | None:
        record = read_record(session, args.app, args.user, now_ms=deps.clock.now_ms())
        return None if record is None else (apps.require(session, args.app), record)

    found = deps.database.run(read)
    if found is None:
        log.warning("sync_of_unknown_app", app=args.app)
        return Outcome.NOTHING
    app, record = found
    epoch = app.epoch
    for (redis_epoch, redis_top), top in zip(tops, (record.top, app.all_seq), strict=True):
        if redis_epoch == epoch == app.epoch and redis_top is not None and redis_top > top:
            epoch = new_epoch(deps, app, user=args.user, redis_top=redis_top, database_top=top)
    deps.streams.put(args.app, epoch, app.all_seq, record)
    deps.bus.to_node(args.node, encode_synced(args.app, args.user))
    return Outcome.DONE


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
