"""Hop 3 of 9: the only producer of Celery messages: a job by name, ids as arguments.

No retry and no waiting for a result: if the broker is away the caller learns it at once, and the reconciler finds what
the journal holds.
"""

from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from shared import broker
from shared.errors import Unavailable
from shared.protocol.jobs import JobArgs, Queue

SHOWN = 1024
"""Characters of a job's arguments that Flower gets to see."""


class QueueUnavailable(Unavailable):
    """The broker did not take the job; what must not be lost stands in the journal or in a row."""

    title = "The job queue does not answer."


class JobQueue:
    """Sends jobs to the broker at `url`; deadlines are in seconds."""

    def __init__(self, url: str, *, timeout: float = 3.0) -> None:
        broker.install()
        self._app = Celery("bellhop-producer", broker=url, set_as_current=False)
        self._app.conf.update(
            broker_pool_limit=8,
            broker_connection_timeout=timeout,
            broker_transport_options=producer_transport(timeout),
            task_publish_retry=False,
            task_ignore_result=True,
            task_serializer="json",
            task_send_sent_event=False,
            result_backend=None,
        )
        connection = self._app.connection_for_write()
        # The transport's own errors (redis-py's, amqp's) have no parent in common.
        self._errors: tuple[type[Exception], ...] = (
            OperationalError,
            OSError,
            *connection.connection_errors,
            *connection.channel_errors,
        )

    def enqueue(self, args: JobArgs, *, queue: Queue | None = None) -> None:
        """Enqueue one job, on its own queue unless another is named. Raises QueueUnavailable."""
        kwargs = args.kwargs()
        try:
            self._app.send_task(
                str(args.job),
                kwargs=kwargs,
                queue=str(queue or args.queue),
                ignore_result=True,
                retry=False,
                argsrepr="()",
                # What Flower shows. Celery's own careful way took a quarter of the time of sending a job.
                kwargsrepr=repr(kwargs)[:SHOWN],
                add_to_parent=False,
            )
        except self._errors as error:
            raise QueueUnavailable(f"The job queue does not answer: {error}", retry_after=1) from error

    def close(self) -> None:
        """Give the connections back."""
        self._app.close()


def producer_transport(timeout: float) -> dict[str, Any]:
    """Transport options of a producer on Redis; other transports ignore them."""
    return {"socket_timeout": timeout, "socket_connect_timeout": min(timeout, 3.0), "socket_keepalive": True}
