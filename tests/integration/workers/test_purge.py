"""The purge: what ended before the retention goes, Redis and the dead list follow, and it knows when to stop."""

from sqlalchemy import update

from shared.clock import to_datetime
from shared.models import tables as t
from shared.protocol.jobs import Deliver, Purge, Sync
from shared.redis.streams import Since
from shared.store import allowances
from tests.integration.workers.support import entry, now_ms
from workers.jobs import deliver, purge, receipts, sync
from workers.outcome import Outcome

HOUR_MS = 3_600_000


def age(stage, ids, **columns):
    """Let these have ended two hours ago."""
    long_ago = to_datetime(now_ms() - 2 * HOUR_MS)
    old = (
        update(t.notifications).where(t.notifications.c.id.in_(ids)).values(dict.fromkeys(columns, long_ago))
    )
    stage.database.run(lambda session: session.execute(old))


def test_what_ended_before_the_retention_leaves_the_database_and_the_numbers_in_redis(
    make_stage, redis_url, postgresql
):
    stage = make_stage(redis_url, postgresql, retention="3600")
    deps = stage.deps()
    ids = stage.accept(*(entry("ana") for _ in range(3)))
    deliver.run(deps, Deliver(ids=ids))
    deps.acks.merge("main", {"ana": 3}, {})
    receipts.run(deps, None)
    stage.node.hold("ana")
    sync.run(deps, Sync(app="main", users=["ana"], node="n1"))
    age(stage, ids[:2], expires_at=..., expired_at=...)

    assert purge.run(deps, Purge()) is Outcome.DONE

    assert [row.id for row in stage.rows(t.notifications)] == ids[2:]
    assert [row.seq for row in stage.rows(t.deliveries)] == [3]
    [connected] = stage.node.streams.connect("n1", [("main", "ana", Since())])
    assert (connected.counts.total, connected.counts.unread) == (1, 1)
    assert purge.run(deps, Purge()) is Outcome.NOTHING


def test_a_dead_letter_goes_with_its_content(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, retention="3600", attempts_max="1")
    deps = stage.deps()
    old, young = entry("ana", data_json='"\x00"'), entry("ana", data_json='"\x00"')
    stage.accept(old, young)
    deliver.run(deps, Deliver(ids=[old.id, young.id]))
    age(stage, [old.id], failed_at=...)

    assert purge.run(deps, Purge()) is Outcome.DONE

    assert stage.journal.dead() == [young.id]
    assert [row.id for row in stage.rows(t.notifications)] == [young.id]


def test_a_retention_of_nothing_keeps_everything(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, retention="0")
    ids = stage.accept(entry("ana"))
    deliver.run(stage.deps(), Deliver(ids=ids))
    age(stage, ids, expires_at=..., expired_at=...)

    assert purge.run(stage.deps(), Purge()) is Outcome.NOTHING
    assert len(stage.rows(t.notifications)) == 1


def test_what_was_taken_of_caps_goes_when_it_is_past_whatever_the_retention(
    make_stage, redis_url, postgresql
):
    stage = make_stage(redis_url, postgresql, retention="0")
    now = now_ms()
    taken = {(1, "0" * 16): (now - 1000) * 1000, (2, "0" * 16): (now + HOUR_MS) * 1000}
    stage.database.run(lambda session: allowances.write(session, taken))

    assert purge.run(stage.deps(), Purge()) is Outcome.DONE

    assert [row.user_id for row in stage.rows(t.allowances)] == [2]
    assert purge.run(stage.deps(), Purge()) is Outcome.NOTHING


def test_a_tick_ends_in_time_and_the_next_one_goes_on(make_stage, redis_url, postgresql, monkeypatch):
    stage = make_stage(redis_url, postgresql, retention="3600")
    deps = stage.deps()
    ids = stage.accept(*(entry("ana") for _ in range(150)))
    deliver.run(deps, Deliver(ids=ids))
    age(stage, ids, expires_at=..., expired_at=...)
    # Time for one step of 100.
    instants = iter([0.0, 1.0, purge.TICK_S])
    monkeypatch.setattr(type(deps.clock), "monotonic", lambda _: next(instants))

    assert purge.run(deps, Purge()) is Outcome.DONE

    assert len(stage.rows(t.notifications)) == 50
    monkeypatch.undo()
    assert purge.run(deps, Purge()) is Outcome.DONE
    assert stage.rows(t.notifications) == []
