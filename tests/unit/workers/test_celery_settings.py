"""Celery's settings against DESIGN section 4, and the tables of jobs against what can be enqueued."""

from pathlib import Path

import pytest

from shared.config import load
from shared.protocol.jobs import Job, Queue
from workers.beat import schedule
from workers.celery_settings import celery_settings, concurrency, transport_options
from workers.health import health_port
from workers.registry import JOBS

ROOT = Path(__file__).parents[3]


def settings(**environ):
    return load({"REDIS_URL": "redis://127.0.0.1:6379/0", **environ})


def test_the_settings_are_those_of_the_design():
    found = celery_settings(settings())

    fixed = {
        "accept_content": ["json"],
        "task_serializer": "json",
        "event_serializer": "json",
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "task_time_limit": 50,
        "task_soft_time_limit": 40,
        "worker_prefetch_multiplier": 4,
        "task_publish_retry": False,
        "broker_connection_max_retries": None,
        "worker_send_task_events": True,
        "worker_pool": "prefork",
    }
    assert {name: found[name] for name in fixed} == fixed


def test_the_transport_of_redis_has_every_deadline():
    assert transport_options("redis://h/0") == {
        "visibility_timeout": 120,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 15,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }
    assert transport_options("amqp://h//") == {"confirm_publish": True}


def test_a_job_is_over_before_its_message_is_given_to_somebody_else():
    found = celery_settings(settings())

    assert found["task_soft_time_limit"] < found["task_time_limit"]
    assert found["task_time_limit"] < found["broker_transport_options"]["visibility_timeout"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [("sqlite:////tmp/x.db", 1), ("postgresql+psycopg://h/x", 4), ("mysql+pymysql://h/x", 4)],
)
def test_sqlite_has_one_writer(url, expected):
    assert concurrency(settings(DATABASE_URL=url, BELLHOP_WORKER_CONCURRENCY="4")) == expected


def test_every_job_that_can_be_enqueued_is_registered_with_its_own_arguments():
    assert set(JOBS) == set(Job)
    assert all(spec.args.job is job for job, spec in JOBS.items())


def test_every_queue_is_consumed_by_a_line_of_the_procfile():
    lines = [
        line.split(" -Q ")[1].split()[0]
        for line in (ROOT / "Procfile").read_text().splitlines()
        if " -Q " in line
    ]

    consumed = [queue for line in lines for queue in line.split(",")]
    assert sorted(consumed) == sorted(Queue)


def test_beat_ticks_each_job_in_its_period():
    table = schedule()

    assert {name: entry["schedule"] for name, entry in table.items()} == {
        "bellhop.due": 1.0,
        "bellhop.release": 1.0,
        "bellhop.reconcile": 5.0,
        "bellhop.expire": 10.0,
        "bellhop.purge": 60.0,
        "bellhop.fire": 1.0,
        "bellhop.presence": 1.0,
    }
    assert {entry["options"]["queue"] for entry in table.values()} == {"maintenance"}


def test_worker_bulk_listens_next_to_worker_and_a_given_port_wins():
    assert health_port(settings(), "worker@host") == 8101
    assert health_port(settings(), "worker_bulk@host") == 8102
    assert health_port(settings(PORT="9999"), "worker_bulk@host") == 9999
