"""An api that sends every job to one queue, whatever its priority."""

from shared.protocol.jobs import JobArgs, Queue
from shared.queue import JobQueue

_enqueue = JobQueue.enqueue


def _to_normal(self: JobQueue, args: JobArgs, *, queue: Queue | None = None) -> None:
    _enqueue(self, args, queue=None if queue is None else Queue.NORMAL)


JobQueue.enqueue = _to_normal  # type: ignore[method-assign]  # that is the control

from api.wsgi import app  # noqa: E402  # after the change, because importing it builds the api

__all__ = ["app"]
