"""Workers that keep no frame in Redis: whoever missed one must ask the database."""

from shared.protocol.envelope import AppFrames
from shared.redis.publish import Published, Publisher, TailBounds
from workers.celery_app import app

__all__ = ["app"]

_publish = Publisher.publish


def _publish_without_tail(self: Publisher, frames: AppFrames) -> Published:
    self._bounds = TailBounds(0, 0, self._bounds.life)
    return _publish(self, frames)


Publisher.publish = _publish_without_tail  # type: ignore[method-assign]  # that is the control
