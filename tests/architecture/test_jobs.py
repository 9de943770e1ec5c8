"""Jobs: each name is registered, each queue consumed, and time is never Celery's business."""

import ast
import re
import shlex

from launcher.procfile import parse
from shared.protocol.jobs import Job, JobArgs, Queue
from tests.architecture.sources import ROOT, Source, sources
from workers.registry import JOBS

# A message with a countdown sits unacknowledged in a worker and is lost or doubled with it (DESIGN section 4).
CELERY_TIME = {"eta", "countdown", "retry_backoff", "autoretry_for"}
CELERY_RETRY = re.compile(r"\b(?:self|task|app|run|job)\.retry\(")


def queues_by_process() -> dict[str, list[str]]:
    commands = {name: shlex.split(text) for name, text in parse((ROOT / "Procfile").read_text()).items()}
    return {
        name: words[words.index("-Q") + 1].split(",") for name, words in commands.items() if "-Q" in words
    }


def test_every_queue_is_consumed_by_one_process():
    consumed = [queue for queues in queues_by_process().values() for queue in queues]
    assert sorted(consumed) == sorted(Queue)


def test_bulk_never_delays_critical():
    assert not [queues for queues in queues_by_process().values() if {"critical", "bulk"} <= set(queues)]


def test_every_job_is_registered_with_its_arguments():
    assert set(JOBS) == set(Job)
    # By name: a dataclass with slots is made twice, and both count as subclasses.
    assert {spec.args.__name__ for spec in JOBS.values()} == {
        kind.__name__ for kind in JobArgs.__subclasses__()
    }
    assert all(spec.args.job is job for job, spec in JOBS.items())


def test_nobody_leaves_time_or_repetition_to_celery():
    assert not [
        place
        for source in sources("api", "workers", "wsnode", "shared")
        if source.name != "workers/consumer.py"  # which refuses what others left to it
        for place in celery_time(source)
    ]


def celery_time(source: Source) -> list[str]:
    keywords = [
        f"{source.name}:{node.value.lineno} {node.arg}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.keyword) and node.arg in CELERY_TIME
    ]
    texts = [f"{source.name}:{line} {text}" for text, line in source.strings() if text in CELERY_TIME]
    return keywords + texts + [f"{source.name} {found}" for found in CELERY_RETRY.findall(source.text)]
