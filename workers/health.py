"""What one worker process knows about its own health, and its three pages."""

import time

from shared import metrics
from shared.config import Settings
from shared.config.loading import refuse
from shared.db import Database
from shared.redis.client import check, connect
from workers.fork_guard import ForkGuard
from workers.health_server import Answer, HealthServer, json_answer
from workers.pool import Pool
from workers.probe import Probe
from workers.readiness import Vitals, judge

PROBE_S = 2.0


class Health:
    """State of the parent process: written by its event loop, read by the threads of the health server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._guard = ForkGuard()
        self._redis = Probe("redis", self._ask_redis, self._guard, within_s=PROBE_S)
        self._database = Probe("database", self._ask_database, self._guard, within_s=PROBE_S)
        self._beat_at: float | None = None
        self._pool = Pool()
        self._asked: Database | None = None
        self._server: HealthServer | None = None
        self.stopping = False

    def beat(self, *, at: float, pool: Pool) -> None:
        """The event loop lives and sees its pool; `at` is on the monotonic clock."""
        self._beat_at, self._pool = at, pool

    def serve(self, hostname: str) -> None:
        """Open the port of this worker; if it is taken, end the program with one line and exit code 2."""
        port = health_port(self._settings, hostname)
        pages = {"/health": self._health, "/readiness": self._readiness, "/metrics": self._metrics}
        try:
            self._server = HealthServer(self._settings.bind, port, pages)
        except OSError as error:
            refuse([f"{hostname} cannot listen on port {port}: {error.strerror}"])
        self._guard.install()
        self._server.start()

    def _health(self) -> Answer:
        return json_answer(200, {"status": "UP"})

    def _readiness(self) -> Answer:
        beat_at = self._beat_at
        return json_answer(
            *judge(
                Vitals(
                    loop_age_s=None if beat_at is None else time.monotonic() - beat_at,
                    pool=self._pool,
                    redis_error=self._redis.error(),
                    database_error=self._database.error(),
                    stopping=self.stopping,
                )
            )
        )

    def _metrics(self) -> Answer:
        return 200, metrics.CONTENT_TYPE, metrics.render()

    def _ask_redis(self) -> None:
        # A connection per question: one that stayed open would be inherited by the next child of the pool.
        client = connect(self._settings.redis_url, timeout=PROBE_S, connections=1, name="bellhop-health")
        try:
            check(client)
        finally:
            client.close()

    def _ask_database(self) -> None:
        if self._asked is None:
            self._asked = Database(self._settings.database_url)
        try:
            self._asked.ping()
        finally:
            self._asked.close()


def health_port(settings: Settings, hostname: str) -> int:
    """PORT if this process was given one; else the worker's port, and the next one for worker_bulk."""
    if settings.port is not None:
        return settings.port
    return settings.worker_port + (1 if hostname.partition("@")[0] == "worker_bulk" else 0)
