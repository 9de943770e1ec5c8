"""The job `fire`: what is due is in the journal and on its way, once, whatever dies or is away in between."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from shared.clock import to_datetime, to_ms
from shared.models import tables as t
from shared.protocol.firing import template
from shared.protocol.jobs import Deliver, Fire, Purge
from shared.protocol.journal import Entry
from shared.redis.client import RedisUnavailable
from shared.store import schedules
from tests.integration.workers.support import entry, now_ms
from workers.jobs import deliver, fire, purge
from workers.outcome import Outcome

FIRE = Fire()


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request, make_stage, redis_url):
    return make_stage(redis_url, request.getfixturevalue(request.param))


def make(stage, *users, seconds=3, sends=None, **changes):
    """A schedule of each second, the first of `seconds` instants that are due."""
    now = stage.moment
    sends = sends or entry(*users)
    values = {
        "id": sends.id,
        "app_id": 1,
        "every": 1,
        "timezone": "UTC",
        "catch_up": "once",
        "notification": "{}",
        "entry": template(sends),
        "sender": "key:abcdefgh",
        "next_at": to_datetime(now - (seconds - 1) * 1000),
        "created_at": to_datetime(now - 3_600_000),
        "updated_at": to_datetime(now),
        **changes,
    }
    stage.database.run(lambda session: schedules.add(session, values))
    return values["id"]


def hold(stage, id):
    """No further instant comes while the test goes on."""
    far = to_datetime(now_ms() + 3_600_000)
    stage.database.run(
        lambda s: s.execute(update(t.schedules).where(t.schedules.c.id == id).values(next_at=far))
    )


def runs(stage):
    return stage.rows(t.schedule_runs)


def journal(stage):
    return [Entry.decode(raw) for _, raw in sorted(stage.client.hgetall("journal").items())]


class Standing:
    """A clock that stands at a moment; deadlines pass as they do."""

    def __init__(self, clock, ms):
        self._clock, self._ms = clock, ms

    def now_ms(self):
        return self._ms

    def monotonic(self):
        return self._clock.monotonic()


def standing(stage):
    # In the middle of the second.
    deps = stage.deps()
    return replace(deps, clock=Standing(deps.clock, stage.moment + 500))


def test_what_is_due_arrives_at_the_user_under_the_id_of_the_run(stage):
    id = make(stage, "ana")
    deps = standing(stage)
    stage.node.hold("ana")

    assert fire.run(deps, FIRE) is Outcome.DONE

    ids = [row.notification_id for row in runs(stage)]
    assert len(ids) == 3
    assert {row.entered_at is not None for row in runs(stage)} == {True}
    found = journal(stage)
    assert {one.id for one in found} == set(ids)
    assert {one.sender for one in found} == {f"schedule:{id}"}
    assert all(one.expires_at == one.accepted_at + one.ttl * 1000 for one in found)
    deliver.run(stage.deps(), Deliver(ids=ids))
    assert stage.node.ids() == ids
    assert fire.run(deps, FIRE) is Outcome.NOTHING


def test_the_job_that_stores_it_is_enqueued_by_priority(stage):
    bulk = make(stage, sends=entry("ana", priority="bulk"), seconds=1)
    make(stage, "ana", seconds=2)
    fire.run(standing(stage), FIRE)
    assert (stage.client.llen("bulk"), stage.client.llen("normal")) == (1, 1)
    assert bulk.encode() in stage.client.hget("journal", _ids_of(stage, bulk)[0])


def _ids_of(stage, id):
    return [row.notification_id for row in runs(stage) if row.schedule_id == id]


def test_a_worker_that_dies_before_the_journal_leaves_it_to_the_next(stage, monkeypatch):
    id = make(stage, "ana")
    deps = standing(stage)
    with monkeypatch.context() as patch:
        patch.setattr(fire, "_enter", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fire.run(deps, FIRE)
    assert journal(stage) == []
    hold(stage, id)

    assert fire.run(deps, FIRE) is Outcome.DONE

    assert [one.id for one in journal(stage)] == sorted(row.notification_id for row in runs(stage))


def test_a_worker_that_dies_after_the_journal_has_nothing_sent_twice(stage, monkeypatch):
    make(stage, "ana")
    deps = standing(stage)
    stage.node.hold("ana")
    with monkeypatch.context() as patch:
        patch.setattr(fire, "_mark", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fire.run(deps, FIRE)
    ids = [row.notification_id for row in runs(stage)]
    deliver.run(stage.deps(), Deliver(ids=ids))
    stage.client.flushdb()  # as if the record of the journal, and the jobs, were long gone
    stage.node.hold("ana")

    # Once while the row is there, once as if the record was: neither brings it a second time.
    assert fire.run(deps, FIRE) is Outcome.DONE
    deliver.run(stage.deps(), Deliver(ids=ids))

    assert sorted(stage.node.ids()) == sorted(ids)
    assert len(stage.rows(t.deliveries)) == 3
    assert stage.journal.depth() == (0, 0)


def test_what_the_journal_knows_is_not_written_again(stage, monkeypatch):
    make(stage, "ana")
    deps = standing(stage)
    with monkeypatch.context() as patch:
        patch.setattr(fire, "_mark", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fire.run(deps, FIRE)
    depth = stage.journal.depth()

    assert fire.run(deps, FIRE) is Outcome.DONE
    assert stage.journal.depth() == depth
    # Its record has ended, the entry is still there: an old run is looked up first.
    stage.database.run(lambda s: s.execute(update(t.schedule_runs).values(entered_at=None)))
    for key in stage.client.scan_iter("idempotency:*"):
        stage.client.delete(key)
    old = to_datetime(now_ms() - fire.RECORD_S * 1000)
    stage.database.run(lambda s: s.execute(update(t.schedule_runs).values(created_at=old)))

    assert fire.run(deps, FIRE) is Outcome.DONE
    assert stage.journal.depth() == depth


def test_redis_away_loses_nothing(stage, monkeypatch):
    make(stage, "ana")
    deps = standing(stage)

    def away(*_, **__):
        raise RedisUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(type(deps.journal), "accept", away)
        with pytest.raises(RedisUnavailable):
            fire.run(deps, FIRE)
    assert {row.entered_at for row in runs(stage)} == {None}

    assert fire.run(deps, FIRE) is Outcome.DONE
    assert len(journal(stage)) == 3


def test_a_full_journal_takes_them_later(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, intake_max="2")
    id = make(stage, "ana", seconds=5)
    deps = standing(stage)

    assert fire.run(deps, FIRE) is Outcome.DONE
    hold(stage, id)
    assert [row.entered_at is None for row in runs(stage)] == [False, False, True, True, True]
    stage.journal.done([one.id for one in journal(stage)])
    assert fire.run(deps, FIRE) is Outcome.DONE

    assert [row.entered_at is None for row in runs(stage)] == [False] * 4 + [True]


def test_jobs_at_the_same_time_send_each_once(stage):
    for _ in range(5):
        make(stage, "ana", seconds=20)
    deps = [standing(stage) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: [fire.run(one, FIRE) for _ in range(3)], deps))

    found = journal(stage)
    assert len(runs(stage)) == len(found) == 100 + (max(_spread(deps)) * 5)
    size = sum(len(one.encode()) for one in found)
    assert stage.journal.depth() == (len(found), size)


def _spread(deps):
    """Whole seconds between the moments at which their clocks stand."""
    seconds = [one.clock.now_ms() // 1000 for one in deps]
    return {second - min(seconds) for second in seconds}


def test_what_this_worker_cannot_read_waits_and_holds_up_nobody(stage):
    unread = make(stage, "ana", entry='{"v":999}\n{}')
    make(stage, "bob", seconds=2)

    assert fire.run(standing(stage), FIRE) is Outcome.DONE

    assert [one.users for one in journal(stage)] == [("bob",)] * 2
    assert {row.entered_at for row in runs(stage) if row.schedule_id == unread} == {None}


def test_a_tick_ends_in_time_and_the_next_one_goes_on(stage, monkeypatch):
    for _ in range(3):
        make(
            stage, "ana", seconds=60, catch_up="all", next_at=to_datetime(now_ms() // 1000 * 1000 - 1_100_000)
        )
    deps = standing(stage)
    # Time for one claim and two writings.
    instants = iter([0.0, 0.0, 0.1, 0.2, fire.TICK_S, fire.TICK_S])
    monkeypatch.setattr(Standing, "monotonic", lambda _: next(instants))
    fire.run(deps, FIRE)
    assert len(journal(stage)) == 2 * fire.AT_ONCE
    monkeypatch.undo()
    while fire.run(deps, FIRE) is Outcome.DONE:
        pass
    sent = [row for row in runs(stage) if row.reason != "skipped"]
    # A thousand that were missed and a minute's worth that is only late.
    assert len(journal(stage)) == len(sent) == 3 * 1060


def test_old_runs_go_with_the_retention(make_stage, redis_url, postgresql):
    stage = make_stage(redis_url, postgresql, retention="3600")
    make(stage, "ana", seconds=1)
    fire.run(standing(stage), FIRE)
    old = to_datetime(now_ms() - 2 * 3_600_000)
    assert purge.run(stage.deps(), Purge()) is Outcome.NOTHING
    stage.database.run(lambda s: s.execute(update(t.schedule_runs).values(created_at=old)))
    assert purge.run(stage.deps(), Purge()) is Outcome.DONE
    assert runs(stage) == []
    with stage.database.session() as session:
        assert session.scalar(select(t.schedules.c.next_at)) is not None


def test_the_life_of_what_is_sent_begins_when_the_run_is_made(stage):
    make(stage, sends=entry("ana", ttl=7), seconds=1)
    deps = standing(stage)
    fire.run(deps, FIRE)
    [sent], [row] = journal(stage), runs(stage)
    assert sent.accepted_at == to_ms(row.created_at) == deps.clock.now_ms()
    assert sent.expires_at == sent.accepted_at + 7000
