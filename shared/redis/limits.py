"""What limits have given so far: one number a bucket, in Redis, so that all processes share it.

The decision is shared.domain.gcra's; lua/gcra.lua decides the same beside the data. The clock is Redis's own, one for
all. A policy that is changed begins anew: it stands in the key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import redis

from shared.domain import quotas
from shared.domain.gcra import Policy, Taken
from shared.redis import keys
from shared.redis.scripts import Argument, Script

USER: Final = "user"


class Bucket(NamedTuple):
    """What one limit gives to one subject. `name` is what the limit is called in answers."""

    name: str
    policy: Policy
    subject: str

    @property
    def key(self) -> str:
        """Where it stands."""
        return keys.limit(self.name, f"{self.policy.limit}/{self.policy.per_ms}", self.subject)

    def args(self) -> tuple[int, int]:
        """How the scripts are told of it."""
        return self.policy.interval, self.policy.limit


class Standing(NamedTuple):
    """What became of a bucket."""

    bucket: Bucket
    taken: Taken


class Charge(NamedTuple):
    """What a bucket has given, whether it allows it or not."""

    bucket: Bucket
    cost: int


@dataclass(frozen=True, slots=True)
class Demand:
    """What a request takes along with the journal: one of each of `requests`, and for each entry its cost of `quotas`.

    `refusals`: for each quota the JSON that stands in the answer for an entry that it refuses while others pass; of a
    single entry none.
    """

    requests: tuple[Bucket, ...] = ()
    quotas: tuple[Bucket, ...] = ()
    costs: tuple[int, ...] = ()
    refusals: tuple[str, ...] = ()

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """All of them, in the order in which the script answers."""
        return self.requests + self.quotas


def quota_buckets(key: Policy | None, app: Policy | None, app_name: str, sender: str) -> tuple[Bucket, ...]:
    """The quotas on what a sender has accepted, of those that are set."""
    found = []
    if key is not None:
        found.append(Bucket(quotas.KEY_QUOTA, key, quotas.sender_subject(app_name, sender)))
    if app is not None:
        found.append(Bucket(quotas.APP_QUOTA, app, app_name))
    return tuple(found)


def user_buckets(policy: Policy | None, app: str, user: str) -> tuple[Bucket, ...]:
    """The limit on what one user asks, wherever it is asked, if it is set."""
    return (Bucket(USER, policy, f"{app} {user}"),) if policy is not None else ()


class Limits:
    """Adapter of limits.lua."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = Script("limits", "gcra")

    def take(self, buckets: Sequence[Bucket], *, cost: int = 1, at_us: int | None = None) -> list[Standing]:
        """Take `cost` from each, or nothing if one refuses. Raises RedisUnavailable."""
        found = self._run("take", [Charge(bucket, cost) for bucket in buckets], at_us)
        return [Standing(bucket, taken(one)) for bucket, one in zip(buckets, found, strict=True)]

    def charge(self, charges: Sequence[Charge], *, at_us: int | None = None) -> None:
        """Count what was given already; each bucket once. Raises RedisUnavailable."""
        self._run("charge", charges, at_us)

    def _run(self, what: str, charges: Sequence[Charge], at_us: int | None) -> list[list[int]]:
        args: list[Argument] = ["" if at_us is None else at_us, what]
        for bucket, cost in charges:
            args += (*bucket.args(), cost)
        found: list[list[int]] = self._script.run(self._client, [one.bucket.key for one in charges], args)
        return found


def taken(reply: Sequence[int]) -> Taken:
    """Read what gcra_take says."""
    allowed, tat, retry, remaining, reset = reply
    # By name it took twice as long.
    return Taken(allowed == 1, tat, None if retry < 0 else retry, remaining, reset)
