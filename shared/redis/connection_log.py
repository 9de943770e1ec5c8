"""Reports of connections on their way from nodes to the database: the newest of each, removed after the commit."""

from collections.abc import Sequence
from typing import Any, Final

import redis

from shared import logs
from shared.protocol.visit import Visit, decode
from shared.redis import keys
from shared.redis.client import guarded
from shared.redis.scripts import Argument, Script

WAITING_MAX: Final = 100_000
"""Connections whose reports wait for a worker, about 40 MiB; over it the log has a hole."""

log = logs.get(__name__)

Taken = tuple[str, bytes]
"""A report as it was taken: the name of the connection, and the text."""


class ConnectionLog:
    """Adapter of connections:log."""

    def __init__(self, client: redis.Redis, *, waiting_max: int = WAITING_MAX) -> None:
        self._client = client
        self._waiting_max = waiting_max
        self._put = Script("visits_put")
        self._done = Script("acks_done")

    def put(self, visits: Sequence[Visit]) -> int:
        """Hand reports over; how many there was no room for. Raises RedisUnavailable."""
        args: list[Argument] = [self._waiting_max]
        for visit in visits:
            args += (visit.connection, visit.encode())
        return int(self._put.run(self._client, [keys.CONNECTIONS_LOG], args)) if visits else 0

    def waiting(self) -> int:
        """How many wait. Raises RedisUnavailable."""
        with guarded():
            return int(self._client.hlen(keys.CONNECTIONS_LOG))

    def take(self, limit: int) -> tuple[list[Visit], list[Taken]]:
        """Up to `limit` reports, and what done() is to be told of all that was taken; they stay until then.

        What cannot be read is only in the latter. Raises RedisUnavailable.
        """
        with guarded():
            flat: Any = self._client.hrandfield(keys.CONNECTIONS_LOG, limit, withvalues=True) or []
        pairs = (
            flat if flat and isinstance(flat[0], (list, tuple)) else zip(flat[::2], flat[1::2], strict=True)
        )
        taken = [(name.decode(), raw) for name, raw in pairs]
        visits: list[Visit] = []
        for name, raw in taken:
            try:
                visits.append(decode(raw))
            except (ValueError, TypeError, AttributeError) as error:
                log.warning("visit_unreadable", connection=name, error=str(error))
        return visits, taken

    def done(self, taken: Sequence[Taken]) -> None:
        """Remove what was committed, unless more was said meanwhile. Raises RedisUnavailable."""
        args: list[Argument] = []
        for name, raw in taken:
            args += (name, raw)
        if args:
            self._done.run(self._client, [keys.CONNECTIONS_LOG], args)
