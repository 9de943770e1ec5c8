"""The last step of a restore: every app gets a new epoch, and Redis forgets what belonged to the old one."""

import os
import subprocess
import sys

from shared.models import tables as t
from shared.protocol.jobs import Deliver, Sync
from shared.redis.streams import Since
from shared.store import apps
from tests.integration.workers.support import ROOT, entry, now_ms
from workers.jobs import deliver, sync


def end_epochs(stage, **environ):
    return subprocess.run(
        [sys.executable, "-m", "workers.epoch"],
        cwd=ROOT,
        env={**os.environ, **stage.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_records_tails_and_acks_go_presence_and_journal_stay(stage):
    deps = stage.deps()
    stage.database.run(lambda session: apps.create(session, "shop", epoch="0" * 16, now_ms=now_ms()))
    stage.node.hold("ana")
    stage.node.streams.connect("n1", [("shop", "ana", Since())])
    ids = stage.accept(entry("ana"), entry("ana", app="shop"), entry(everyone=True))
    deliver.run(deps, Deliver(ids=ids))
    deps.acks.merge("main", {"ana": 1}, {"ana": 1})
    waiting = stage.accept(entry("ana"))
    before = {row.name: row.epoch for row in stage.rows(t.apps)}

    done = end_epochs(stage)

    assert done.returncode == 0, done.stderr
    after = {row.name: row.epoch for row in stage.rows(t.apps)}
    assert set(after) == {"main", "shop"}
    assert not set(after.values()) & set(before.values())
    assert all(f"{app}: epoch {epoch}" in done.stdout for app, epoch in after.items())
    assert "2 records and 3 tails" in done.stdout
    assert not [
        *stage.client.scan_iter("tail:*"),
        *stage.client.scan_iter("app:*"),
        *stage.client.keys("acks"),
    ]
    assert stage.client.hget("stream:main:ana", "nodes") == b"n1"
    assert stage.journal.depth()[0] == len(waiting)

    [unknown] = stage.node.streams.connect("n1", [("main", "ana", Since())])
    assert (unknown.synced, unknown.epoch) == (False, None)
    sync.run(deps, Sync(app="main", users=["ana"], node="n1"))
    assert deps.streams.tops("main", ["ana"]).users == [(after["main"], 1)]


def test_it_may_be_repeated_and_says_in_one_line_what_did_not_answer(stage):
    first = end_epochs(stage)
    again = end_epochs(stage)
    assert (first.returncode, again.returncode) == (0, 0)
    assert first.stdout != again.stdout

    failed = end_epochs(stage, REDIS_URL="redis://127.0.0.1:1/0")
    assert failed.returncode == 1
    assert len(failed.stderr.strip().splitlines()) == 1
    assert "repeat it" in failed.stderr
