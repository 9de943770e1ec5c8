"""When a worker is ready."""

import pytest

from workers.pool import Pool, look
from workers.readiness import BUSY_MAX_S, LOOP_MAX_AGE_S, Vitals, judge

WELL = {"loop_age_s": 0.4, "pool": Pool(living=1), "redis_error": None, "database_error": None}


def test_a_worker_whose_loop_pool_redis_and_database_live_is_ready():
    assert judge(Vitals(**WELL)) == (200, {"status": "READY", "redis": "connected"})


@pytest.mark.parametrize(
    ("change", "redis", "reason"),
    [
        ({"redis_error": "ConnectionError"}, "disconnected", "redis: ConnectionError"),
        ({"database_error": "no answer within 2 s"}, "connected", "database: no answer within 2 s"),
        ({"loop_age_s": None}, "connected", "the consumer has not started"),
        ({"loop_age_s": LOOP_MAX_AGE_S + 1}, "connected", "event loop has been silent for 4 s"),
        ({"pool": Pool()}, "connected", "the pool has no child"),
        ({"pool": Pool(living=2, stopped=1)}, "connected", "1 of the pool's 2 children stopped"),
        ({"pool": Pool(1, 0, BUSY_MAX_S + 1)}, "connected", "has been at one job for 5 s"),
        ({"stopping": True}, "connected", "the worker is stopping"),
    ],
)
def test_each_loss_is_red_and_named(change, redis, reason):
    status, body = judge(Vitals(**{**WELL, **change}))

    assert (status, body["status"], body["redis"]) == (503, "NOT_READY", redis)
    assert reason in body["reason"]


def test_red_comes_within_five_seconds_of_what_the_loop_sees():
    pulse_s = 0.5
    assert max(LOOP_MAX_AGE_S, BUSY_MAX_S) + pulse_s < 5


@pytest.mark.parametrize(("state", "stopped"), [("S", 0), ("T", 1), ("t", 1), ("R", 0)])
def test_the_kernel_says_who_is_stopped(tmp_path, state, stopped):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text(f"7 (an (odd) T name) {state} 1 7 7 0 -1")

    assert look([7], [], now=0, proc=tmp_path) == Pool(1, stopped)


def test_without_proc_nobody_counts_as_stopped(tmp_path):
    assert look([7], [], now=0, proc=tmp_path) == Pool(1)


@pytest.mark.parametrize(
    ("pids", "started", "busy_s"),
    [([1], [], 0), ([1, 2], [0], 0), ([1, 2], [0, 90], 10), ([1], [101], 0), ([], [0], 0)],
)
def test_a_pool_is_busy_since_its_last_child_began_a_job(tmp_path, pids, started, busy_s):
    assert look(pids, started, now=100, proc=tmp_path).busy_s == busy_s
