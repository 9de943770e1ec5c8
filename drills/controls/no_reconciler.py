"""Beat without the tick of the reconciler: what falls between two steps is found by nobody."""

from shared.protocol.jobs import Job
from workers.celery_app import app

__all__ = ["app"]

app.conf.beat_schedule = {name: row for name, row in app.conf.beat_schedule.items() if name != Job.RECONCILE}
