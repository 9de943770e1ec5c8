"""Workers that look for abandoned messages as seldom as Celery does by itself."""

from workers.celery_app import app

__all__ = ["app"]

_MEND = ("unacked_restore_interval", "unacked_restore_throttle")
app.conf.broker_transport_options = {
    name: value for name, value in app.conf.broker_transport_options.items() if name not in _MEND
}
