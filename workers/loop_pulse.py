"""What runs inside the consumer's event loop: its heartbeat, and the steps that tie it and the health server to Celery.

The pulse is a timer inside that loop: it stands still when the loop hangs or the broker is away, and nothing else does.
"""

import time
from typing import Any

from celery import bootsteps
from celery.worker import state

from workers.health import Health
from workers.pool import Pool, look

PULSE_S = 0.5
EVENTS_S = 0.25


def pulse_step(health: Health) -> type[bootsteps.StartStopStep]:
    """A step of the consumer: beats while the loop runs; started again with each connection to the broker."""

    class Pulse(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def __init__(self, consumer: Any, **options: Any) -> None:
            super().__init__(consumer, **options)
            self._timer: Any = None

        def start(self, consumer: Any) -> None:
            def beat() -> None:
                health.beat(at=time.monotonic(), pool=_look(consumer.pool))

            self._timer = consumer.timer.call_repeatedly(PULSE_S, beat)

        def stop(self, consumer: Any) -> None:
            if self._timer is not None:
                consumer.timer.cancel(self._timer)
                self._timer = None

        shutdown = stop

    return Pulse


def events_step() -> type[bootsteps.StartStopStep]:
    """A step of the consumer: sends task events together, four times a second or as soon as 24 wait.

    Celery sends what one turn of the loop brought, nearly always one event: half of all that it did for a small job.
    """

    class Events(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
        requires = ("celery.worker.consumer.events:Events", "celery.worker.consumer.tasks:Tasks")

        def __init__(self, consumer: Any, **options: Any) -> None:
            super().__init__(consumer, **options)
            self._timer: Any = None

        def start(self, consumer: Any) -> None:
            consumer.event_dispatcher.on_send_buffered = None
            self._timer = consumer.timer.call_repeatedly(EVENTS_S, consumer.event_dispatcher.flush)

        def stop(self, consumer: Any) -> None:
            if self._timer is not None:
                consumer.timer.cancel(self._timer)
                self._timer = None
                consumer.event_dispatcher.flush()

        shutdown = stop

    return Events


def health_step(health: Health) -> type[bootsteps.StartStopStep]:
    """A step of the worker: opens the health server as soon as there is a pool, tells it of the end."""

    class HealthStep(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
        requires = ("celery.worker.components:Pool",)

        def start(self, worker: Any) -> None:
            health.serve(worker.hostname)

        def close(self, _worker: Any) -> None:
            # The first thing of a warm shutdown: whoever routes by readiness learns it while jobs still finish.
            # The server itself ends with the process: this step stops before the pool has finished its jobs.
            health.stopping = True

    return HealthStep


def _look(pool: Any) -> Pool:
    """The children of a prefork pool; another pool counts as one, because it runs inside this process."""
    processes = getattr(getattr(pool, "_pool", None), "_pool", None)
    if processes is None:
        return Pool(living=1)
    pids = [process.pid for process in processes if process.exitcode is None]
    started = [request.time_start for request in state.active_requests if request.time_start]
    return look(pids, started, now=time.time())
