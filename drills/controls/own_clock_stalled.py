"""Beat with a clock that can be set, and with Celery's own scheduler, which waits until a clock is where it was."""

from drills.controls.own_clock import app

__all__ = ["app"]

app.conf.beat_scheduler = "celery.beat:Scheduler"
