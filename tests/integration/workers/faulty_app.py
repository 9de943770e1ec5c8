"""Entry of a worker for tests: the real one, with faults that a test switches on by files in FAULTS_DIR.

A file `kill-<point>` makes the pool child that gets there first remove it and die as by `kill -9`; a file `hang` makes
the consumer's event loop stand still for 8 seconds. Nothing of this is known to the worker itself.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import bootsteps

from workers import settling
from workers.celery_app import app
from workers.jobs import page

__all__ = ["app"]

FAULTS = Path(os.environ["FAULTS_DIR"])


def dies_before(point: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def instead(*args: Any, **kwargs: Any) -> Any:
        try:
            (FAULTS / f"kill-{point}").unlink()
        except FileNotFoundError:
            return function(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    return instead


class Hang(bootsteps.StartStopStep):
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        consumer.timer.call_repeatedly(0.2, self.look)

    def look(self) -> None:
        if (FAULTS / "hang").exists():
            (FAULTS / "hang").unlink()
            time.sleep(8)  # the fault itself


app.steps["consumer"].add(Hang)
settling.publish_frames = dies_before("publish", settling.publish_frames)
settling.write_published = dies_before("published_at", settling.write_published)
page.publish_page = dies_before("page", page.publish_page)
if limit := os.environ.get("SOFT_LIMIT_S"):
    app.conf.task_soft_time_limit = float(limit)
