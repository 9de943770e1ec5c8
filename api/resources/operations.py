"""GET /health, /readiness and /metrics, for supervisors and scrapers.

Rule S. Ready means: a notification can be accepted. That needs a Redis that takes writes and room in the journal, and
not the database.
"""

from collections.abc import Callable

import falcon

from api.request import ApiRequest
from api.resources.base import Resource, reply
from shared import metrics
from shared.clock import Clock, rfc3339
from shared.errors import Unavailable
from shared.redis.client import RedisUnavailable
from shared.redis.journal import Journal


class Health(Resource):
    """The process is up and answers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def on_get(self, _req: ApiRequest, resp: falcon.Response) -> None:
        """Say so."""
        reply(resp, {"status": "UP", "timestamp": rfc3339(self._clock.now_ms())})


class Readiness(Resource):
    """The process can accept notifications."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check

    def on_get(self, _req: ApiRequest, resp: falcon.Response) -> None:
        """Say so, or why not."""
        try:
            self._check()
        except Unavailable as error:
            redis = "disconnected" if isinstance(error, RedisUnavailable) else "connected"
            reply(resp, {"status": "NOT_READY", "redis": redis, "reason": error.message}, 503)
        else:
            reply(resp, {"status": "READY", "redis": "connected"})


class Metrics(Resource):
    """What was counted, in the text format of Prometheus."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def on_get(self, _req: ApiRequest, resp: falcon.Response) -> None:
        """Tell it; the depth of the journal is asked for now, if Redis answers."""
        try:
            entries, size = self._journal.depth()
            metrics.journal_depth.set(entries)
            metrics.journal_bytes.set(size)
        except RedisUnavailable:
            metrics.journal_depth.set(float("nan"))
            metrics.journal_bytes.set(float("nan"))
        resp.content_type = metrics.CONTENT_TYPE
        resp.data = metrics.render()
