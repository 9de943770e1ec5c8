"""kombu's transport to Redis, with three faults mended.

A worker must outlive a Redis that goes away under a running job. When the connection is lost, kombu 5.7 hands
unacknowledged messages back through a channel whose transport is gone, and the job that ends later is acknowledged
there too. Both end in an AttributeError, which Celery takes for unrecoverable: it stops consuming for good. Seen at
each restart of Redis under a running job. As an error of the connection it is what both callers expect; what was not
handed back returns after the visibility timeout, or by the reconciler.

A message that kombu cannot read ends the worker: one LPUSH by anybody would do. It is dropped and counted instead.

And kombu makes a new client for each command, five for each job of a worker: a quarter of what Celery takes for one.
"""

import base64
from json import JSONDecodeError
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis

from shared import logs, metrics

log = logs.get(__name__)

UNKNOWN: Final = "unknown"
"""The name under which metrics count messages that are no jobs: their own would be anybody's invention."""

_UNREADABLE: Final = (JSONDecodeError, UnicodeDecodeError, RecursionError)


def note_rejected(problem: str) -> None:
    """Count and log a message that is no job; `problem` has no words of the message in it."""
    metrics.jobs_total.labels(job=UNKNOWN, outcome="rejected").inc()
    log.warning("job_rejected", job=UNKNOWN, problems=problem)


class Channel(kombu_redis.Channel):
    """A channel that says in kombu's own terms that its connection is lost."""

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 -- as kombu calls it
        if self.connection.client is None:
            raise ConnectionResetError("the connection of this channel is closed")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[no-untyped-call]  # kombu annotates little

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except _UNREADABLE:
            # It is off the queue and was not yet noted as held: there is nothing to give back.
            note_rejected("it is not JSON")
            return True

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 -- as kombu calls it
        if asynchronous:
            # kombu keeps this one itself.
            return super()._create_client(asynchronous=True)  # type: ignore[no-untyped-call]
        # A client is a pool and a table of functions; threads may share it, and a new pool needs a new one.
        kept = getattr(self, "_kept", None)
        if kept is None or kept.connection_pool is not self.pool:
            kept = self._kept = super()._create_client()  # type: ignore[no-untyped-call]
        return kept


class Transport(kombu_redis.Transport):
    """The transport with that channel."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        if not is_message(message):
            note_rejected("it is no message of the broker's protocol")
            return
        super()._deliver(message, queue)  # type: ignore[no-untyped-call]


def is_message(raw: Any) -> bool:
    """Whether `raw`, an element of a queue as JSON, has everything of which kombu makes a message and holds it."""
    try:
        properties, body = raw["properties"], raw["body"]
        where = properties["delivery_info"]
        told = (properties["delivery_tag"], where["exchange"], where["routing_key"], body)
        if properties.get("body_encoding") == "base64":
            base64.b64decode(body)
        return all(isinstance(each, str) for each in told) and isinstance(raw.get("headers"), dict)
    except (LookupError, TypeError, AttributeError, ValueError):
        return False


def install() -> None:
    """Take this transport for redis:// and rediss://."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
