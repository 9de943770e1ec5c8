"""An api that answers 202 whatever the journal says."""

from collections.abc import Sequence

from shared.redis.client import RedisUnavailable
from shared.redis.journal import Accepted, Bounds, Journal, Submission, Verdict

_accept = Journal.accept


def _accept_blindly(
    self: Journal, submissions: Sequence[Submission], *, now_ms: int, bounds: Bounds, at_us: int | None = None
) -> list[Accepted]:
    try:
        return _accept(self, submissions, now_ms=now_ms, bounds=bounds, at_us=at_us)
    except RedisUnavailable:
        return [Accepted(Verdict.STORED) for _ in submissions]


Journal.accept = _accept_blindly  # type: ignore[method-assign]  # that is the control

from api.wsgi import app  # noqa: E402  # after the change, because importing it builds the api

__all__ = ["app"]
