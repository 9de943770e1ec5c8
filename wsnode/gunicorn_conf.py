"""How gunicorn runs a node: one worker of our class, because one process is one node with one channel."""

import os

from shared.config import load_or_exit

_settings = load_or_exit(os.environ)

bind = f"{_settings.bind}:{_settings.port or _settings.node_port}"
workers = 1
worker_class = "wsnode.worker.NodeWorker"
# Sockets leave this pool at their upgrade: it bounds requests and handshakes under way.
worker_connections = 4096
backlog = 4096
timeout = 60
# The window, the last wait for clients, the journal and the broker (wsnode.drain, wsnode.node), and Redis's deadlines.
graceful_timeout = int(_settings.drain_window) + 20
control_socket_disable = True
# The node writes its own access log, with tokens redacted.
accesslog = None
errorlog = "-"
loglevel = "warning" if _settings.log_level == "info" else _settings.log_level
