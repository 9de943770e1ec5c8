"""Celery jobs that the node wishes for: queued without waiting, sent by a few greenlets.

Rule S. A connection runs in callbacks of the event loop and must not wait for a broker.
"""

from collections.abc import Callable
from typing import Final

import gevent
from gevent.queue import Queue as Waiting

from shared import logs
from shared.protocol.jobs import JobArgs, Queue
from shared.queue import JobQueue, QueueUnavailable
from wsnode.loops import forever

WAITING_MAX: Final = 10_000
"""Jobs that may wait for the broker; over it a wish fails at once, as if the broker were away."""

IDS_MAX: Final = 200_000
"""Ids of notifications and names of users in jobs that wait, about 20 MiB: a few jobs of 500 weigh more than many
small ones."""

SENDERS: Final = 4

log = logs.get(__name__)


class Jobs:
    """The one way to the job queue."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._waiting: Waiting[tuple[JobArgs, Queue | None, Callable[[], None]]] = Waiting(WAITING_MAX)
        self._ids = 0
        self._sending = 0

    def start(self) -> list[gevent.Greenlet]:
        """Begin to send."""
        return [forever(self._send, part="jobs") for _ in range(SENDERS)]

    def put(self, args: JobArgs, failed: Callable[[], None], *, queue: Queue | None = None) -> None:
        """Enqueue soon, on the job's own queue unless another is named. Never blocks.

        `failed` is called if that is not possible.
        """
        if self._waiting.full() or self._ids + _ids(args) > IDS_MAX:
            log.warning("jobs_full", job=args.job)
            failed()
        else:
            self._ids += _ids(args)
            self._waiting.put_nowait((args, queue, failed))

    def idle(self) -> bool:
        """Whether the broker has been given everything."""
        return self._waiting.empty() and not self._sending

    def _send(self) -> None:
        args, queue, failed = self._waiting.get()
        self._ids -= _ids(args)
        self._sending += 1
        try:
            self._queue.enqueue(args, queue=queue)
        except QueueUnavailable as error:
            log.warning("job_not_enqueued", job=args.job, error=error.message)
            failed()
        except Exception:
            log.exception(
                "job_failed", job=args.job
            )  # one job's fault must not take the sender from all others
            failed()
        finally:
            self._sending -= 1


def _ids(args: JobArgs) -> int:
    return len(getattr(args, "ids", ())) + len(getattr(args, "users", ()))
