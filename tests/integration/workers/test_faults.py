"""What must hold when a process dies, a job is lost, or Redis or the database goes away."""

import os
import signal
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from shared.clock import to_datetime
from shared.models import tables as t
from shared.protocol.jobs import Deliver, Reconcile
from tests.integration.workers.support import entry, eventually, now_ms
from workers.jobs import deliver, reconcile
from workers.outcome import Outcome

pytestmark = pytest.mark.slow
FAULTY = "tests.integration.workers.faulty_app"


@pytest.fixture
def faulty(make_stage, redis_url, postgresql, tmp_path):
    stage = make_stage(redis_url, postgresql)
    stage.environ["FAULTS_DIR"] = str(tmp_path)
    return stage


def whole(stage):
    """Every stream without a gap, every pair once."""
    by_user = {}
    for row in stage.rows(t.deliveries):
        by_user.setdefault(row.user_id, []).append(row.seq)
    assert all(sorted(seqs) == list(range(1, len(seqs) + 1)) for seqs in by_user.values())
    return sum(map(len, by_user.values()))


def look_now(stage, ids):
    """Let the reconciler look at these entries and rows now instead of in 15 seconds."""
    stage.client.zadd("journal:due", {f"n:{id}": 1 for id in ids}, xx=True)
    early = to_datetime(now_ms() - 60_000)
    waiting = t.notifications.update().where(t.notifications.c.published_at.is_(None))
    stage.database.run(lambda session: session.execute(waiting.values(stored_at=early, next_attempt_at=None)))
    stale = t.pages.update().where(t.pages.c.published_at.is_(None))
    stage.database.run(lambda session: session.execute(stale.values(created_at=early, next_attempt_at=None)))


@contextmanager
def locked_table(stage):
    """Nobody can write notifications inside the block."""
    with stage.database.engine.begin() as connection:
        connection.execute(text("LOCK TABLE notifications IN ACCESS EXCLUSIVE MODE"))
        yield


def waits_for_the_table(stage) -> bool:
    """Whether somebody stands before the locked table."""
    with stage.database.engine.connect() as connection:
        waiting = text(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'notifications'::regclass"
        )
        return connection.scalar(waiting) > 0


def test_a_child_killed_between_commit_and_publish_is_made_good_by_redelivery(faulty, tmp_path):
    faulty.node.hold("ana")
    worker = faulty.worker(entry=FAULTY)
    (tmp_path / "kill-publish").touch()

    ids = faulty.post(entry("ana"), entry("ana"))

    eventually(lambda: faulty.published(ids))
    assert not (tmp_path / "kill-publish").exists()
    assert faulty.node.ids() == ids
    assert whole(faulty) == 2
    eventually(lambda: worker.get("/readiness")[0] == 200)


def test_a_child_killed_after_the_publish_leaves_rows_that_the_reconciler_finishes(faulty, tmp_path):
    faulty.node.hold("ana")
    worker = faulty.worker(entry=FAULTY)
    (tmp_path / "kill-published_at").touch()

    ids = faulty.post(entry("ana"))
    eventually(lambda: worker.metric("bellhop_jobs_total", job="bellhop.deliver", outcome="nothing") == 1)
    assert not faulty.published(ids)
    look_now(faulty, ids)
    faulty.queue.enqueue(Reconcile())

    eventually(lambda: faulty.published(ids))
    assert set(faulty.node.ids()) == set(ids)
    assert faulty.notification(ids[0]).rescued_at is not None
    assert worker.metric("bellhop_rescued_total") == 1
    assert whole(faulty) == 1


def test_a_child_killed_in_a_page_loses_nobody_of_the_audience(make_stage, redis_url, postgresql, tmp_path):
    stage = make_stage(redis_url, postgresql, page_size="5")
    stage.environ["FAULTS_DIR"] = str(tmp_path)
    names = [f"u{number:02}" for number in range(17)]
    stage.node.hold(*names)
    stage.worker(entry=FAULTY)
    (tmp_path / "kill-page").touch()

    ids = stage.post(entry(*names))

    eventually(lambda: stage.published(ids))
    assert len(stage.node.ids()) == 17
    assert whole(stage) == 17


def test_a_job_that_was_lost_is_brought_back_by_the_reconciler_and_counted(stage):
    stage.node.hold("ana")
    worker = stage.worker()
    lost = stage.accept(*(entry("ana") for _ in range(5)), first_look_in_ms=-1)

    stage.queue.enqueue(Reconcile())

    eventually(lambda: stage.published(lost))
    assert stage.node.ids() == lost
    assert all(stage.notification(id).rescued_at is not None for id in lost)
    eventually(lambda: worker.metric("bellhop_rescued_total") == 5)


def test_a_rescue_that_finds_the_work_done_counts_nothing(stage):
    deps = stage.deps()
    ids = stage.accept(entry("ana"), first_look_in_ms=-1)
    reconcile.run(deps, Reconcile())
    deliver.run(deps, Deliver(ids=ids))

    worker = stage.worker()

    eventually(lambda: worker.metric("bellhop_jobs_total", job="bellhop.deliver", outcome="nothing") == 1)
    assert worker.metric("bellhop_rescued_total") == 0
    assert stage.notification(ids[0]).rescued_at is None


def test_a_thousand_notifications_survive_kill_9_of_the_whole_worker_in_the_middle(stage):
    users = [f"u{number}" for number in range(10)]
    stage.node.hold(*users)
    worker = stage.worker()
    groups = [[entry(users[number % 10]) for number in range(25)] for _ in range(40)]

    ids = [id for group in groups for id in stage.post(*group)]
    eventually(lambda: len(stage.rows(t.notifications)) > 100)
    worker.kill()
    second = stage.worker(name="worker2")
    look_now(stage, ids)
    stage.queue.enqueue(Reconcile())

    eventually(lambda: stage.published(ids), seconds=30)
    assert set(stage.node.ids()) == set(ids)
    assert whole(stage) == 1000
    assert second.get("/readiness")[0] == 200


def test_sigterm_lets_the_running_job_finish(stage):
    worker = stage.worker()
    ids = [id for _ in range(20) for id in stage.post(*(entry("ana") for _ in range(50)))]
    eventually(lambda: len(stage.rows(t.notifications)) > 50)

    assert worker.stop() == 0

    stage.worker(name="worker2")
    eventually(lambda: stage.published(ids))
    assert whole(stage) == 1000


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_worker_goes_on_by_itself_when_redis_comes_back(make_stage, own_redis, postgresql, how):
    stage = make_stage(own_redis.url, postgresql)
    worker = stage.worker()
    first = stage.post(entry("ana"))
    eventually(lambda: stage.published(first))

    own_redis.stop() if how == "restart" else own_redis.kill()
    eventually(lambda: worker.get("/readiness")[0] == 503)
    assert '"redis":"disconnected"' in worker.get("/readiness")[1]
    own_redis.start()

    eventually(lambda: worker.get("/readiness")[0] == 200, seconds=30)
    second = stage.post(entry("ana"))
    eventually(lambda: stage.published(second), seconds=30)
    assert whole(stage) == 2


def test_redis_may_go_away_under_a_running_job(make_stage, own_redis, postgresql):
    stage = make_stage(own_redis.url, postgresql)
    worker = stage.worker()
    with locked_table(stage):
        ids = stage.post(entry("ana"))
        eventually(lambda: stage.client.hlen("unacked") == 1)
        own_redis.kill()
        eventually(lambda: "Connection to broker lost" in worker.log())
    own_redis.start()

    eventually(lambda: worker.get("/readiness")[0] == 200, seconds=30)
    look_now(stage, ids)
    stage.queue.enqueue(Reconcile())
    eventually(lambda: stage.published(ids), seconds=30)
    assert worker.process.poll() is None


def test_while_the_database_is_away_nothing_is_lost_and_nothing_is_blamed(stage, outage):
    worker = stage.worker()
    stage.node.hold("ana")
    outage(away=True)

    ids = stage.post(entry("ana"), entry("ana"))
    eventually(lambda: worker.metric("bellhop_jobs_total", job="bellhop.deliver", outcome="away") == 1)
    assert "database" in worker.get("/readiness")[1]
    assert stage.journal.depth()[0] == 2
    assert stage.journal.failures(ids) == [0, 0]
    stage.client.zadd("journal:due", {f"n:{id}": 1 for id in ids})
    stage.queue.enqueue(Reconcile())
    eventually(lambda: worker.metric("bellhop_jobs_total", job="bellhop.reconcile", outcome="away") == 1)
    assert stage.client.zscore("journal:due", f"n:{ids[0]}") == 1

    outage(away=False)
    stage.queue.enqueue(Reconcile())

    eventually(lambda: stage.published(ids))
    assert stage.node.ids() == ids
    eventually(lambda: worker.get("/readiness")[0] == 200)


def test_a_job_that_runs_out_of_time_is_a_failed_attempt_and_succeeds_later(faulty):
    faulty.environ["SOFT_LIMIT_S"] = "2"
    worker = faulty.worker(entry=FAULTY)
    warm = faulty.post(entry("ana"))
    eventually(lambda: faulty.published(warm))

    with locked_table(faulty):
        ids = faulty.post(entry("ana"), entry("ana"))
        eventually(lambda: worker.metric("bellhop_jobs_total", job="bellhop.deliver", outcome="timeout") == 1)

    assert faulty.journal.failures(ids) == [1, 1]
    look_now(faulty, ids)
    faulty.queue.enqueue(Reconcile())
    eventually(lambda: faulty.published(ids))


def test_a_worker_that_is_told_to_stop_says_so_while_its_job_still_runs(stage):
    worker = stage.worker()
    with locked_table(stage):
        ids = stage.post(entry("ana"))
        # A job that was fetched but not begun goes back to the queue at the end, as it should; this one has begun.
        eventually(lambda: waits_for_the_table(stage))
        worker.process.terminate()
        eventually(lambda: "the worker is stopping" in worker.get("/readiness")[1])

    assert worker.process.wait(20) == 0
    assert stage.published(ids)


def test_a_lost_receipts_request_is_made_again(stage):
    deps = stage.deps()
    ids = stage.accept(entry("ana"))
    deliver.run(deps, Deliver(ids=ids))
    deps.acks.merge("main", {"ana": 1}, {})
    stage.worker()

    stage.queue.enqueue(Reconcile())

    eventually(lambda: [row.state for row in stage.rows(t.deliveries)] == ["delivered"])


def test_a_dead_child_is_replaced_and_the_worker_is_ready_again(stage):
    worker = stage.worker()
    [child] = worker.children()

    os.kill(child, signal.SIGKILL)

    eventually(lambda: worker.children() not in ([child], []) and worker.get("/readiness")[0] == 200)
    assert worker.get("/health") == (200, '{"status":"UP"}')


def test_readiness_is_red_while_the_event_loop_hangs_and_green_afterwards(faulty, tmp_path):
    worker = faulty.worker(entry=FAULTY)

    (tmp_path / "hang").touch()

    red = eventually(lambda: (answer := worker.get("/readiness"))[0] == 503 and answer[1])
    assert "event loop has been silent" in red
    eventually(lambda: worker.get("/readiness")[0] == 200)


def test_reconciling_with_nothing_to_do_is_nothing(stage):
    assert reconcile.run(stage.deps(), Reconcile()) is Outcome.NOTHING
