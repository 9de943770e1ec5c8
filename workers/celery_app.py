"""Composition root of the workers: `celery -A workers.celery_app worker|beat`. Hop 4 of 9 begins here.

Importing it reads the settings and registers the jobs; it opens no connection, because Celery forks afterwards.
"""

import gc
import os
import warnings
from typing import Any

from celery import Celery, signals
from celery.exceptions import CPendingDeprecationWarning

from shared import broker, logs, metrics
from shared.config import Settings, load_or_exit
from shared.protocol.jobs import Job
from workers import pool_end
from workers.beat import schedule
from workers.celery_settings import celery_settings
from workers.deps import PerProcess
from workers.health import Health
from workers.loop_pulse import events_step, health_step, pulse_step
from workers.registry import JOBS, Spec
from workers.shell import execute


def build(settings: Settings) -> Celery:
    """The Celery application with every job, the periodic table and the health server."""
    broker.install()
    pool_end.install()
    celery = Celery("bellhop", set_as_current=True)
    celery.conf.update(celery_settings(settings), beat_schedule=schedule())
    opened = PerProcess(settings)
    for job, spec in JOBS.items():
        _register(celery, job, spec, opened)
    # In each child as it starts, so that its first job does not wait for drivers and scripts to be loaded. Weak
    # references are Celery's default; this function would be gone at once.
    signals.worker_process_init.connect(lambda **_: opened.get(), weak=False)
    signals.worker_before_create_process.connect(_freeze, weak=False)
    health = Health(settings)
    celery.steps["worker"].add(health_step(health))
    celery.steps["consumer"].add(pulse_step(health))
    celery.steps["consumer"].add(events_step())
    return celery


def _freeze(**_: Any) -> None:
    """What stands before a fork is left out of every later collection: a full one would write to each page that parent
    and child share, and so copy it, 25 MiB in each."""
    gc.collect()
    gc.freeze()


def _register(celery: Celery, job: Job, spec: Spec, opened: PerProcess) -> None:
    @celery.task(name=str(job), bind=True)  # type: ignore[untyped-decorator]  # celery has no types
    def run(self: Any, **kwargs: Any) -> str:
        if (self.request.delivery_info or {}).get("redelivered"):
            # The broker alone knows it. Jobs to whom it is all the same leave it out like any field they do not have.
            kwargs["redelivered"] = True
        return str(execute(job, spec, kwargs, opened.get))


def _name_process(names: list[str], settings: Settings) -> None:
    """Logs carry the worker's name. Celery sends the name first, then asks for logging, in the same process."""

    @signals.celeryd_init.connect(weak=False)  # type: ignore[untyped-decorator]
    def remember(sender: str, **_: Any) -> None:
        names[:] = [sender.partition("@")[0]]

    @signals.setup_logging.connect(weak=False)  # type: ignore[untyped-decorator]
    def set_up(**_: Any) -> None:
        logs.configure(settings, process=names[0])
        # Each loss of the broker would advise to turn on what celery_settings.py turns off for a reason.
        warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)

    @signals.worker_process_shutdown.connect(weak=False)  # type: ignore[untyped-decorator]
    def forget(pid: int, **_: Any) -> None:
        metrics.forget_process(pid)


settings = load_or_exit(os.environ)
app = build(settings)
_name_process(["beat"], settings)
