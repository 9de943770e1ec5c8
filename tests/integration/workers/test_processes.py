"""The processes of the Procfile: two workers side by side, beat, what they refuse and what they show."""

import json
import subprocess
import sys

import pytest

from launcher.ports import free_port
from launcher.spawn import end, spawn
from shared.models import tables as t
from tests.integration.migrating import migrate
from tests.integration.workers.support import ROOT, entry, eventually
from workers.beat import PERIODS_S

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "mariadb"])
def other_database(request, make_database):
    url = make_database(request.param)
    migrate(url)
    return url


def test_both_workers_share_the_queues_on_the_other_databases_too(make_stage, redis_url, other_database):
    stage = make_stage(redis_url, other_database)
    stage.node.hold("ana")
    stage.worker(queues="critical,normal,receipts,replay")
    bulk = stage.worker(name="worker_bulk", queues="bulk,maintenance")

    ids = [id for _ in range(10) for id in stage.post(entry("ana"), entry("ana", "bob"))]
    slow = stage.post_to("bulk", entry("ana", priority="bulk"), entry(everyone=True, priority="bulk"))

    eventually(lambda: stage.published([*ids, *slow]), seconds=30)
    assert set(stage.node.ids()) == {*ids, *slow}
    seqs = {}
    for row in stage.rows(t.deliveries):
        seqs.setdefault(row.user_id, []).append(row.seq)
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in seqs.values())
    eventually(lambda: bulk.metric("bellhop_jobs_total", job="bellhop.deliver", outcome="done") == 1)


def test_beat_ticks_and_leaves_no_file(stage, tmp_path):
    command = [sys.executable, "-m", "celery", "-A", "workers.celery_app", "beat"]
    with (tmp_path / "beat.log").open("wb") as log:
        beat = spawn(command, env={**stage.environ, "PATH": "/usr/bin:/bin"}, cwd=ROOT, output=log)
    try:
        # In the first seconds the jobs of every period come once.
        eventually(lambda: stage.client.llen("maintenance") >= len(PERIODS_S), seconds=30)
        messages = [json.loads(raw) for raw in stage.client.lrange("maintenance", 0, -1)]
    finally:
        end(beat, patience=10)

    assert {message["headers"]["task"] for message in messages} <= {str(args.job) for args, _ in PERIODS_S}
    assert {message["headers"]["eta"] for message in messages} == {None}
    assert not list(ROOT.glob("celerybeat*"))


def test_a_taken_port_is_one_line_and_exit_code_2(stage):
    worker = stage.worker()
    command = [sys.executable, "-m", "celery", "-q", "-A", "workers.celery_app", "worker", "-n", "second@%h"]

    done = subprocess.run(
        command,
        check=False,
        env={**stage.environ, "PORT": str(worker.port), "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode == 2
    assert f"cannot listen on port {worker.port}: Address already in use" in done.stderr + done.stdout


def test_wrong_settings_are_told_all_at_once_and_end_with_exit_code_2(stage):
    command = [sys.executable, "-m", "celery", "-q", "-A", "workers.celery_app", "worker"]
    wrong = {**stage.environ, "BELLHOP_NOPE": "1", "BELLHOP_WORKER_PORT": "x", "PORT": str(free_port())}

    done = subprocess.run(
        command, check=False, env=wrong, cwd=ROOT, capture_output=True, text=True, timeout=30
    )

    assert done.returncode == 2
    assert "BELLHOP_NOPE" in done.stderr
    assert "BELLHOP_WORKER_PORT" in done.stderr


def test_the_log_of_a_worker_is_json_lines_with_its_name_and_no_secret(stage):
    worker = stage.worker(name="worker_bulk")
    ids = stage.post(entry("ana", request_id="find-me"))
    eventually(lambda: stage.published(ids))
    eventually(lambda: "find-me" in worker.log())

    lines = [json.loads(line) for line in worker.log().splitlines() if line.startswith("{")]
    [line] = [line for line in lines if "find-me" in line.get("request_ids", "")]
    assert (line["event"], line["process"], line["stored"]) == ("group_stored", "worker_bulk", 1)
