"""What is said of a request that its limits refuse, by the api and by a node."""

import math
from collections.abc import Sequence
from typing import Final

from shared import metrics
from shared.domain.quotas import APP_QUOTA, KEY_QUOTA
from shared.errors import TooManyRequests
from shared.redis.limits import Bucket, Standing

_SECOND: Final = 1_000_000


class OverLimit(TooManyRequests):
    """A limit refuses; `standings` tell of each that was asked."""

    def __init__(self, standings: Sequence[Standing]) -> None:
        refusing = [one for one in standings if not one.taken.allowed]
        bucket = max(refusing, key=lambda one: one.taken.retry or 0).bucket
        waits = [one.taken.retry for one in refusing if one.taken.retry is not None]
        super().__init__(
            sentence(bucket),
            detail={"limit": bucket.name},
            retry_after=max(1, math.ceil(max(waits) / _SECOND)) if waits else None,
        )
        self.standings = tuple(standings)


def over(standings: Sequence[Standing]) -> OverLimit:
    """What is said of a request that its limits refuse; counts it."""
    error = OverLimit(standings)
    metrics.limited_total.labels(error.detail["limit"]).inc()
    return error


def sentence(bucket: Bucket) -> str:
    """What the limit is."""
    limit, seconds = bucket.policy.limit, bucket.policy.per_ms // 1000
    what = "recipients" if bucket.name in (KEY_QUOTA, APP_QUOTA) else "requests"
    return f"Over the limit {bucket.name}: {limit} {what} in {seconds} s."
