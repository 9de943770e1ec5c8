"""Entry of a worker that dies where it is asked to: the real one, jobs and adapters wrapped by drills.crash.arming."""

import os
from pathlib import Path

from drills.crash.arming import Mine
from shared.db import Database
from shared.queue import JobQueue
from shared.redis.acks import Acks
from shared.redis.bus import Bus
from shared.redis.journal import Journal
from shared.redis.publish import Publisher
from shared.redis.streams import Streams
from workers.jobs import page
from workers.registry import JOBS, Spec

page.SLICE_S = 30.0
"""However slow the machine is, a job does all of its pages, so that its calls can be counted."""
_mine = Mine(Path(os.environ["BELLHOP_DATA_DIR"]))
_mine.lay(Database, "run", transaction=True)
for _adapter, _methods in (
    (Journal, ("take", "finish", "due")),
    (Publisher, ("publish",)),
    (JobQueue, ("enqueue",)),
    (Acks, ("take", "done")),
    (Bus, ("to_node",)),
    (Streams, ("put_many",)),
):
    for _method in _methods:
        _mine.lay(_adapter, _method)
for _job, _spec in list(JOBS.items()):
    JOBS[_job] = Spec(_spec.args, _mine.during(str(_job).rpartition(".")[2], _spec.run))

from workers.celery_app import app  # noqa: E402  # after the change, because importing it registers the jobs

__all__ = ["app"]
