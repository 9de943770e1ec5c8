"""The settings of Celery, as DESIGN section 4 fixes them; each line answers a measured failure (notes in the docs).

Pure: a function of our own settings, so that a test can hold them to the design.
"""

from typing import Any

from shared.config import Settings
from shared.protocol.jobs import Queue

TIME_LIMIT_S = 50
SOFT_TIME_LIMIT_S = 40
VISIBILITY_TIMEOUT_S = 120
PREFETCH = 4


def celery_settings(settings: Settings) -> dict[str, Any]:
    """What `app.conf.update` gets, for workers and for beat."""
    return {
        "broker_url": settings.broker_url,
        "broker_transport_options": transport_options(settings.broker_url),
        "broker_connection_timeout": 3,
        "broker_connection_retry_on_startup": True,
        # The default gives up after 100 tries: a long outage of Redis would end the worker.
        "broker_connection_max_retries": None,
        "task_publish_retry": False,
        "task_default_queue": str(Queue.NORMAL),
        # JSON only: with pickle, whoever can write to the broker runs code in the worker.
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        # State lives in our database; a result backend would fail jobs that ran while Redis was away.
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # Celery recommends True and plans it as the default; measured, it loses the jobs that it cancels.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "task_time_limit": TIME_LIMIT_S,
        "task_soft_time_limit": SOFT_TIME_LIMIT_S,
        "worker_prefetch_multiplier": PREFETCH,
        "worker_pool": "prefork",
        "worker_consumer": "workers.consumer:JobConsumer",
        "worker_concurrency": concurrency(settings),
        "worker_send_task_events": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # Nothing is remembered between two starts of beat: the ticks are frequent, and any number of beats may tick.
        "beat_scheduler": "workers.steady_beat:SteadyScheduler",
        # No setting of Celery's; read by that scheduler.
        "beat_pulse": settings.beat_pulse,
        "timezone": "UTC",
    }


def concurrency(settings: Settings) -> int:
    """Children of one worker: SQLite has one writer, more would only wait for each other."""
    return 1 if settings.database_url.startswith("sqlite") else settings.worker_concurrency


def transport_options(url: str) -> dict[str, Any]:
    """Options of the broker's transport: Redis, or RabbitMQ by its URL."""
    if not url.startswith(("redis://", "rediss://", "redis+socket://", "unix://")):
        return {"confirm_publish": True}
    return {
        # Longer than the longest job; what a killed worker held comes back after it. The sweep's default is 100 s.
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 15,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }
