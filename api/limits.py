"""How often may be asked, and how much accepted: which limits a request is under, and what a caller is told of them.

Rule U. Sending takes its limits along with the journal (api.acceptance); every other route asks Redis here, and only if
a limit is set. While Redis is away nothing is counted and everything passes, except attempts to sign in: those are what
somebody who guesses would like to do uncounted.
"""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import orjson

from shared import logs, metrics
from shared.auth.principal import Principal
from shared.config import Settings
from shared.domain.address import Proxies
from shared.domain.gcra import Policy
from shared.errors import TooManyRequests
from shared.redis.client import RedisUnavailable
from shared.redis.limits import Bucket, Standing, quota_buckets, user_buckets
from shared.redis.over_limit import over, sentence

log = logs.get(__name__)

POLICY_HEADER: Final = "RateLimit-Policy"
HEADER: Final = "RateLimit"
KEY: Final = "key"
ADDRESS: Final = "address"
SIGN_IN: Final = "sign-in"
NAME: Final = "sign-in-name"
_SENDERS: Final = 10_000
_SECOND: Final = 1_000_000


class Taker(Protocol):
    """Where buckets are kept."""

    def take(self, buckets: Sequence[Bucket], *, cost: int = 1) -> list[Standing]:
        """Take from each, or nothing if one refuses. Raises RedisUnavailable."""
        ...


class Sending(NamedTuple):
    """What a sender is under: of each request, and of the recipients of each notification."""

    requests: tuple[Bucket, ...] = ()
    quotas: tuple[Bucket, ...] = ()


class Limiter:
    """Knows the limits that are set."""

    def __init__(self, limits: Taker, settings: Settings) -> None:
        self._limits = limits
        self._proxies = Proxies(settings.trusted_proxies)
        self._key, self._user = settings.policy("limit_key"), settings.policy("limit_user")
        self._address, self._sign_in = settings.policy("limit_address"), settings.policy("limit_sign_in")
        self._name = settings.policy("limit_name")
        self._sending: dict[tuple[str, str], Sending] = {}
        self._key_quota, self._app_quota = settings.policy("quota_key"), settings.policy("quota_app")

    def caller(self, principal: Principal) -> Sequence[Standing]:
        """A request of a known caller. Raises OverLimit."""
        return self._open(self._of(principal))

    def stranger(self, env: Mapping[str, Any]) -> Sequence[Standing]:
        """A request without a valid credential. Raises OverLimit."""
        return self._open(self._at(ADDRESS, self._address, env))

    def sign_in(self, env: Mapping[str, Any]) -> Sequence[Standing]:
        """An attempt to sign in. Raises OverLimit, and RedisUnavailable: uncounted nobody may try."""
        if self._sign_in is None:
            return ()
        # Asked also where nothing is counted, so that it is the same for everybody while Redis is away.
        return _checked(self._limits.take(self._at(SIGN_IN, self._sign_in, env)))

    def attempt(self, app: str, username: str) -> None:
        """An attempt to sign in under this name, known or not. Raises OverLimit, RedisUnavailable."""
        subject = hashlib.sha256(f"{app} {username}".encode()).hexdigest()
        buckets = (Bucket(NAME, self._name, subject),) if self._name else ()
        _checked(self._limits.take(buckets))

    def sending(self, principal: Principal) -> Sending:
        """What a sender is under; asked by the journal."""
        who = (principal.app, principal.sender)
        known = self._sending.get(who)
        if known is None:
            if len(self._sending) >= _SENDERS:
                self._sending.clear()
            # One object for all requests of a sender: the journal's adapter tells them apart by it.
            quotas = quota_buckets(self._key_quota, self._app_quota, principal.app, principal.sender)
            known = self._sending[who] = Sending(self._of(principal), quotas)
        return known

    def _of(self, principal: Principal) -> tuple[Bucket, ...]:
        if principal.key is not None:
            return (Bucket(KEY, self._key, principal.key),) if self._key else ()
        return user_buckets(self._user, principal.app, principal.user or "")

    def _at(self, name: str, policy: Policy | None, env: Mapping[str, Any]) -> tuple[Bucket, ...]:
        """By the client's address; nobody can be told apart on this machine."""
        peer, forwarded = env.get("REMOTE_ADDR", ""), env.get("HTTP_X_FORWARDED_FOR", "")
        address = self._proxies.client(peer, forwarded) if policy is not None else ""
        return (Bucket(name, policy, address),) if policy is not None and address else ()

    def _open(self, buckets: Sequence[Bucket]) -> Sequence[Standing]:
        if not buckets:
            return ()
        try:
            standings = self._limits.take(buckets)
        except RedisUnavailable as error:
            metrics.limits_unchecked_total.inc()
            log.warning("limits_unchecked", reason=error.message)
            return ()
        return _checked(standings)


def _checked(standings: Sequence[Standing]) -> Sequence[Standing]:
    if all(one.taken.allowed for one in standings):
        return standings
    raise over(standings)


def refusal(bucket: Bucket, request_id: str) -> str:
    """What stands in the answer of a batch for a notification that a quota refuses, as JSON."""
    error = TooManyRequests(sentence(bucket), detail={"limit": bucket.name})
    return orjson.dumps({"error": error.body(request_id)}).decode()


def headers(standings: Sequence[Standing]) -> dict[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers; times in whole seconds, never told too short."""
    if not standings:
        return {}
    policies, states = [], []
    for (name, policy, _), taken in standings:
        policies.append(_policy(name, policy))
        states.append(f'"{name}";r={taken.remaining};t={-(-taken.reset // _SECOND)}')
    return {POLICY_HEADER: ", ".join(policies), HEADER: ", ".join(states)}


@functools.cache
def _policy(name: str, policy: Policy) -> str:
    """One of the few that are set."""
    return f'"{name}";q={policy.limit};w={-(-policy.per_ms // 1000)}'
