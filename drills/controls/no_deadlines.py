"""A worker that waits for its broker for ever: no time limit on its sockets, no look at whether they live."""

from workers.celery_app import app

__all__ = ["app"]

_DEADLINES = ("socket_timeout", "health_check_interval", "socket_keepalive")
app.conf.broker_transport_options = {
    name: value for name, value in app.conf.broker_transport_options.items() if name not in _DEADLINES
}
