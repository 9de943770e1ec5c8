"""How gunicorn runs the api.

Rule C. The worker patches the standard library before it imports the application; nothing is opened before the fork.
"""

import gc
import os
from typing import Any

from shared import metrics
from shared.config import load_or_exit

_settings = load_or_exit(os.environ)

bind = f"{_settings.bind}:{_settings.port or _settings.api_port}"
workers = _settings.api_workers
worker_class = "api.http_server.ApiWorker"
worker_connections = 2048
backlog = 2048
timeout = 60
graceful_timeout = 20
control_socket_disable = True
# The api writes its own access log.
accesslog = None
errorlog = "-"
loglevel = "warning" if _settings.log_level == "info" else _settings.log_level

_COLLECT_AFTER = 50_000
"""Objects made before the collector looks for cycles: with the default of 700 it took a tenth of the time."""


def post_worker_init(_worker: Any) -> None:
    """Leave what the start made out of every later collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)


def child_exit(_server: Any, worker: Any) -> None:
    """Take a process that ended out of the metrics."""
    metrics.forget_process(worker.pid)
