"""The jobs that send what is due and release what is held, on each database and a real Redis."""

import base64
from dataclasses import replace

import orjson
import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import OperationalError

from shared.clock import to_datetime
from shared.models import tables as t
from shared.protocol import envelope
from shared.protocol.jobs import Deliver, Due, Job, Queue, Reconcile, Release, Send
from shared.redis import keys
from shared.redis.client import RedisUnavailable
from shared.store import apps, dead_letters, notifications
from tests.integration.migrating import migrate
from tests.integration.store.poison import NAME, poisoned
from tests.integration.store.times import cap
from tests.integration.workers.support import BOUNDS, entry, now_ms
from workers.jobs import deliver, due, reconcile, release, send
from workers.outcome import Outcome
from workers.registry import JOBS
from workers.shell import execute

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def database_url(module_database_url: str) -> str:
    """A migrated database on each of the three servers."""
    migrate(module_database_url)
    return module_database_url


@pytest.fixture
def stage(make_stage, redis_url, database_url):
    found = make_stage(redis_url, database_url, attempts_max="2")
    found.node.hold("ana", "ben")
    return found


def scheduled(stage, deps, *users: str, **changes) -> str:
    one = entry(*users, **{"send_at": now_ms() + HOUR_MS, **changes})
    stage.accept(one)
    assert deliver.run(deps, Deliver(ids=[one.id])) is Outcome.DONE
    assert stage.notification(one.id).status == "scheduled"
    return one.id


def hurry(stage, id: str) -> None:
    """Its time has come."""
    past = to_datetime(now_ms() - 1000)
    mine = t.notifications.update().where(t.notifications.c.id == id)
    stage.database.run(lambda session: session.execute(mine.values(send_at=past, due_at=past)))


def told(stage) -> list[tuple[str, int]]:
    return sorted((item[0], item[1]) for one in stage.node.of(envelope.Frames) for item in one.items)


def queued(stage, queue: Queue, job: Job) -> list[list[str]]:
    """The ids of the jobs that wait, in their order."""
    found = []
    for raw in reversed(stage.client.lrange(str(queue), 0, -1)):
        message = orjson.loads(raw)
        if message["headers"]["task"] == str(job):
            found.append(orjson.loads(base64.b64decode(message["body"]))[1]["ids"])
    return found


def test_what_is_due_is_handed_out_sent_and_published(stage):
    deps = stage.deps()
    id = scheduled(stage, deps, "ana")
    assert due.run(deps, Due()) is Outcome.NOTHING
    assert send.run(deps, Send(ids=[id])) is Outcome.NOTHING
    hurry(stage, id)

    assert due.run(deps, Due()) is Outcome.DONE
    assert due.run(deps, Due()) is Outcome.NOTHING
    assert queued(stage, Queue.NORMAL, Job.SEND) == [[id]]
    assert send.run(deps, Send(ids=[id])) is Outcome.DONE
    assert send.run(deps, Send(ids=[id])) is Outcome.NOTHING
    assert told(stage) == [("ana", 1)]
    assert stage.notification(id).status == "sent"


def test_one_that_cannot_be_sent_harms_no_other_and_ends_as_a_dead_letter(stage):
    deps = stage.deps()
    bad, good = scheduled(stage, deps, NAME), scheduled(stage, deps, "ana")
    with poisoned(stage.database):
        for attempt in range(2):
            for id in (bad, good):
                hurry(stage, id)
            found = send.run(deps, Send(ids=[bad, good]))
            assert found is Outcome.PARTLY, attempt

    assert told(stage) == [("ana", 1)]
    assert stage.notification(good).status == "sent"
    with stage.database.session() as session:
        [letter] = dead_letters.page(session, apps.require(session, "main").id)
    assert (letter.id, letter.attempts, letter.recipients) == (bad, 2, 1)
    assert letter.error


def test_a_dead_letter_that_was_scheduled_is_sent_to_the_same_when_it_is_retried(stage):
    deps = stage.deps()
    id = scheduled(stage, deps, NAME, "ana")
    with poisoned(stage.database):
        for _ in range(2):
            hurry(stage, id)
            send.run(deps, Send(ids=[id]))
    assert stage.notification(id).status == "failed"

    with stage.database.session() as session:
        row = notifications.find(session, apps.require(session, "main").id, id)
        again = dead_letters.entry_of(session, "main", row)
    now = now_ms()
    stage.journal.retry(replace(again, retried=True, expires_at=now + HOUR_MS), now_ms=now, bounds=BOUNDS)

    assert deliver.run(deps, Deliver(ids=[id])) is Outcome.DONE
    assert told(stage) == [("ana", 1)]
    assert stage.notification(id).recipients == 2


def test_a_group_that_runs_out_of_time_is_cut_until_one_is_to_blame(stage, monkeypatch):
    deps = stage.deps()
    ids = [scheduled(stage, deps, "ana") for _ in range(4)]

    def slow(*_, **__):
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(send, "send_scheduled", slow)
    assert send.run(deps, Send(ids=ids)) is Outcome.TIMEOUT
    assert queued(stage, Queue.NORMAL, Job.SEND) == [ids[:2], ids[2:]]
    assert send.run(deps, Send(ids=ids[:1])) is Outcome.TIMEOUT
    assert stage.notification(ids[0]).attempts == 1


def test_while_the_database_is_away_nothing_is_counted(stage, monkeypatch):
    deps = stage.deps()
    id = scheduled(stage, deps, "ana")

    def away(*_, **__):
        raise OperationalError(None, None, Exception("gone"))

    monkeypatch.setattr(send, "send_scheduled", away)
    assert send.run(deps, Send(ids=[id])) is Outcome.AWAY
    assert stage.notification(id).attempts == 0


def test_what_was_sent_and_not_published_is_brought_by_the_reconciler(stage, monkeypatch):
    deps = stage.deps()
    id = scheduled(stage, deps, "ana")
    hurry(stage, id)

    def gone(*_, **__):
        raise RedisUnavailable

    with monkeypatch.context() as patched:
        patched.setattr("workers.settling.publish_frames", gone)
        execute(Job.SEND, JOBS[Job.SEND], Send(ids=[id]).kwargs(), lambda: deps)
    assert stage.notification(id).published_at is None
    old = to_datetime(now_ms() - 20_000)
    stage.database.run(lambda s: s.execute(t.notifications.update().values(stored_at=old)))
    reconcile.run(deps, Reconcile())

    assert queued(stage, Queue.MAINTENANCE, Job.PUBLISH) == [[id]]


def test_held_ones_are_released_published_and_marked(stage):
    deps = stage.deps()
    cap(stage.database, 1, 3600, "hold")
    stage.accept(*(ones := [entry("ana", "ben") for _ in range(2)]))
    deliver.run(deps, Deliver(ids=[one.id for one in ones]))
    assert told(stage) == [("ana", 1), ("ben", 1)]
    assert release.run(deps, Release()) is Outcome.NOTHING
    past = to_datetime(now_ms() - 1000)
    held = t.deliveries.update().where(t.deliveries.c.state == "held")
    stage.database.run(lambda session: session.execute(held.values(held_until=past)))

    assert release.run(deps, Release()) is Outcome.DONE

    assert told(stage) == [("ana", 1), ("ana", 2), ("ben", 1), ("ben", 2)]
    assert release.run(deps, Release()) is Outcome.NOTHING
    assert all(row.held_until is None for row in stage.rows(t.deliveries))


def test_what_was_replaced_is_a_position_in_the_tail(stage):
    deps = stage.deps()
    for one in (older := entry("ana", collapse_key="k")), (newer := entry("ana", collapse_key="k")):
        stage.accept(one)
        deliver.run(deps, Deliver(ids=[one.id]))

    first, second = stage.client.zrange(keys.tail_me("main", "ana"), 0, -1)

    assert first == b"1 0 0\n"
    assert newer.id.encode() in second
    assert f'"replaces":"{older.id}"'.encode() in second


def test_each_goes_by_the_queue_of_its_priority(stage):
    deps = stage.deps()
    by_priority = {p: scheduled(stage, deps, "ana", priority=p) for p in ("bulk", "critical", "normal")}
    for id in by_priority.values():
        hurry(stage, id)

    due.run(deps, Due())

    for priority, id in by_priority.items():
        assert queued(stage, Queue(priority), Job.SEND) == [[id]]
