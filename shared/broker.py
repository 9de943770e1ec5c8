"""kombu's transport to Redis, with two faults mended.

A worker must outlive a Redis that goes away under a running job. When the connection is lost, kombu 5.7 hands
unacknowledged messages back through a channel whose transport is gone, and the job that ends later is acknowledged
there too. Both end in an AttributeError, which Celery takes for unrecoverable: it stops consuming for good. Seen at
each restart of Redis under a running job. As an error of the connection it is what both callers expect; what was not
handed back returns after the visibility timeout, or by the reconciler.

And kombu makes a new client for each command, five for each job of a worker: a quarter of what Celery takes for one.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis


class Channel(kombu_redis.Channel):
    """A channel that says in kombu's own terms that its connection is lost."""

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 -- as kombu calls it
        if self.connection.client is None:
            raise ConnectionResetError("the connection of this channel is closed")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[no-untyped-call]  # kombu annotates little

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


def install() -> None:
    """Take this transport for redis:// and rediss://."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
