"""Drill D27: hand-made messages in the queues. None is run, each is counted, the worker goes on."""

import base64
import json
import pickle
import uuid
from pathlib import Path
from typing import Any

import pytest

from launcher.waiting import wait_for
from shared.models import tables as t
from shared.protocol.jobs import Deliver, JobArgs, Mark, Replay, Sync
from tests.integration.workers.support import Stage, Worker, entry, eventually

QUEUE = "normal"


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def push(stage: Stage, raw: bytes | str) -> None:
    stage.client.lpush(QUEUE, raw)


def message(
    task: str | None,
    body: bytes | None = None,
    *,
    args: Any = (),
    kwargs: Any = None,
    content_type: str = "application/json",
    encoding: str = "utf-8",
    headers: dict[str, Any] | None = None,
) -> str:
    """A message as kombu puts it into Redis."""
    id = str(uuid.uuid4())
    content = body if body is not None else json.dumps([args, kwargs or {}, {}]).encode()
    return json.dumps(
        {
            "body": base64.b64encode(content).decode(),
            "content-encoding": encoding,
            "content-type": content_type,
            "headers": {**({"task": task, "id": id, "lang": "py"} if task else {}), **(headers or {})},
            "properties": {
                "correlation_id": id,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": QUEUE},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
            },
        }
    )


def hostile(folder: Path) -> dict[str, str | bytes]:
    """Messages, each by what is wrong with it."""
    evil = pickle.dumps(((Evil(folder / "from-a-known-task"),), {}, {}))
    old = pickle.dumps(
        {"task": "bellhop.deliver", "id": "1", "args": [Evil(folder / "from-the-old-protocol")]}
    )
    pickled = {"content_type": "application/x-python-serialize", "encoding": "binary"}
    return {
        "unknown task": message("os.system", args=["touch /nowhere"]),
        "task of Celery": message("celery.map", args=[{"task": "bellhop.purge"}, [[]]]),
        "bad arguments": message("bellhop.deliver", kwargs={"ids": "all"}),
        "no arguments": message("bellhop.deliver"),
        "arguments by place": message("bellhop.deliver", args=[["01990000-0000-7000-8000-000000000000"]]),
        "too much": message("bellhop.deliver", kwargs={"ids": ["x"] * 100_000}),
        "arguments that are no object": message("bellhop.deliver", b'[[], "x", {}]'),
        "pickle": message("bellhop.deliver", evil, **pickled),
        "pickle of the old protocol": message(None, old, **pickled),
        "yaml": message(
            "bellhop.deliver", b"!!python/object/apply:os.system ['x']", content_type="application/x-yaml"
        ),
        "names no task": message(None),
        "half a body": message("bellhop.deliver", b'[[], {"ids'),
        "body that is no list": message("bellhop.deliver", b"7"),
        "no text": message("bellhop.deliver", b"\xff\xfe\x00"),
        "kept for later": message("bellhop.purge", headers={"eta": "2099-01-01T00:00:00Z"}),
        "something afterwards": message("bellhop.purge", b'[[], {}, {"chain": [{"task": "x"}]}]'),
        "names of another type": message(None, headers={"task": ["bellhop.purge"]}),
        "a line break in the name": message('x\n{"event": "forged"}'),
        "no message": b"garbage",
        "another JSON": b"[1, 2]",
        "an empty object": b"{}",
        "a heap of brackets": b"[" * 100_000,
        "a body that is no base64": message("bellhop.purge").replace('"body": "', '"body": "A'),
        "properties that are a list": b'{"body": "e30=", "headers": {}, "properties": []}',
        "properties missing": json.dumps({"body": "e30=", "headers": {}, "content-type": "application/json"}),
    }


@pytest.fixture
def worker(stage: Stage) -> Worker:
    return stage.worker()


def refused(worker: Worker) -> float:
    return worker.metric("bellhop_jobs_total", outcome="rejected")


def test_what_is_no_job_of_ours_is_not_run_and_is_counted(
    stage: Stage, worker: Worker, tmp_path: Path
) -> None:
    sent = hostile(tmp_path)
    for raw in sent.values():
        push(stage, raw)
    ids = stage.post(entry("ana"))

    assert wait_for(lambda: stage.published(ids), seconds=15), worker.log()
    wait_for(lambda: refused(worker) >= len(sent), seconds=10)
    assert worker.process.poll() is None, worker.log()
    assert refused(worker) == len(sent)
    assert worker.get("/readiness")[0] == 200
    assert not list(tmp_path.glob("from-*"))
    eventually(lambda: stage.client.llen(QUEUE) == stage.client.hlen("unacked") == 0)
    for words in ("forged", "touch /nowhere", "python/object", "Unrecoverable"):
        assert words not in worker.log()


def test_a_job_may_name_what_is_not_there_and_touches_nobody_elses(stage: Stage, worker: Worker) -> None:
    """The arguments are well made, and lie: ids of nobody, a foreign app, another user's notification."""
    stored = stage.post(entry("ana"))
    eventually(lambda: stage.published(stored))
    before = [stage.rows(table) for table in (t.notifications, t.deliveries, t.apps)]
    mark = {"action": "archive", "node": "n9", "connection": "c", "ref": 1}
    lies: list[JobArgs] = [
        Deliver(ids=["01990000-0000-7000-8000-000000000000"]),
        Deliver(ids=stored),
        Mark(app="main", user="eve", ids=stored, **mark),
        Mark(app="ghost", user="ana", ids=stored, **mark),
        Sync(app="ghost", users=["ana"], node="n9"),
        Replay(app="ghost", user="ana", node="n9", connection="c", attempt=1, me=None, all=None),
    ]
    done = worker.metric("bellhop_jobs_total")
    for lie in lies:
        stage.queue.enqueue(lie)

    eventually(lambda: worker.metric("bellhop_jobs_total") >= done + len(lies))
    assert worker.metric("bellhop_jobs_total", outcome="failed") == 0
    assert [stage.rows(table) for table in (t.notifications, t.deliveries, t.apps)] == before
    assert stage.node.ids() == []
