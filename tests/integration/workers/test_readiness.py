"""A worker whose part of the path is dead says so within 5 seconds, and is ready again by itself."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from shared.protocol.jobs import Reconcile
from tests.integration.relay import Relay
from tests.integration.workers.support import Stage, Worker, entry, eventually

pytestmark = pytest.mark.slow
FAULTY = "tests.integration.workers.faulty_app"
RED_S = 6
"""5, and one for a loaded machine."""


def turns_red(worker: Worker, reason: str) -> None:
    """Within the promised time, for this reason."""
    begun = time.monotonic()
    eventually(lambda: reason in worker.get("/readiness")[1], seconds=RED_S)
    assert worker.get("/readiness")[0] == 503
    assert time.monotonic() - begun < RED_S + 2
    assert worker.process.poll() is None


def turns_green(worker: Worker) -> None:
    eventually(lambda: worker.get("/readiness")[0] == 200, seconds=45)


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.close()


def delivers(stage: Stage) -> Callable[[], bool]:
    """Whether something that was accepted now gets through."""
    ids = stage.accept(entry("ana"), first_look_in_ms=0)

    def done() -> bool:
        stage.client.zadd("journal:due", {f"n:{id}": 1 for id in ids}, xx=True)
        stage.queue.enqueue(Reconcile())
        return stage.published(ids)

    return done


def test_a_stopped_child_is_red_and_green_when_it_goes_on(stage):
    worker = stage.worker()
    [child] = worker.children()

    os.kill(child, signal.SIGSTOP)
    try:
        turns_red(worker, "1 of the pool's 1 children stopped")
    finally:
        os.kill(child, signal.SIGCONT)

    turns_green(worker)
    ids = stage.post(entry("ana"))
    eventually(lambda: stage.published(ids))


def test_children_that_are_all_stuck_in_a_job_are_red_and_green_afterwards(stage):
    worker = stage.worker()
    with stage.database.engine.begin() as connection:
        connection.execute(text("LOCK TABLE notifications IN ACCESS EXCLUSIVE MODE"))
        ids = stage.post(entry("ana"))
        eventually(lambda: stage.client.hlen("unacked") == 1)
        turns_red(worker, "every child of the pool has been at one job")

    turns_green(worker)
    eventually(lambda: stage.published(ids))


def test_a_blocked_consumer_loop_is_red_within_the_time(make_stage, redis_url, postgresql, tmp_path):
    stage = make_stage(redis_url, postgresql)
    stage.environ["FAULTS_DIR"] = str(tmp_path)
    worker = stage.worker(entry=FAULTY)

    (tmp_path / "hang").touch()

    turns_red(worker, "event loop has been silent")
    turns_green(worker)


def test_a_redis_behind_a_black_hole_is_red_and_green_again(make_stage, own_redis, postgresql):
    with relay_to(own_redis.port) as way:
        stage = make_stage(own_redis.url, postgresql)
        stage.environ["REDIS_URL"] = f"redis://127.0.0.1:{way.port}/0"
        worker = stage.worker()

        way.silent.set()
        turns_red(worker, "redis: no answer")
        way.mend()

        turns_green(worker)
        eventually(delivers(stage), seconds=60)


def test_a_full_redis_is_red_and_everything_goes_on_when_there_is_room(make_stage, own_redis, postgresql):
    stage = make_stage(own_redis.url, postgresql)
    worker = stage.worker()
    stage.client.config_set("maxmemory", "1")
    turns_red(worker, "redis: OutOfMemoryError")

    stage.client.config_set("maxmemory", "0")

    turns_green(worker)
    eventually(delivers(stage), seconds=30)


def test_a_silent_database_is_red_and_green_again(make_stage, redis_url, postgresql):
    url = make_url(postgresql)
    with relay_to(url.port or 5432) as way:
        stage = make_stage(redis_url, postgresql)
        through = url.set(host="127.0.0.1", port=way.port).render_as_string(hide_password=False)
        stage.environ["DATABASE_URL"] = through
        worker = stage.worker()

        way.silent.set()
        turns_red(worker, "database: no answer")
        way.break_off()
        way.mend()

        turns_green(worker)
        eventually(delivers(stage), seconds=30)
