"""Tickets: short secrets that let somebody in at a node once, for clients that cannot send a header.

Only the digest of a secret is in Redis, and taking a ticket deletes it, so of two who present it one gets in.
"""

import hashlib
from dataclasses import asdict, dataclass

import orjson
import redis

from shared.redis import keys
from shared.redis.client import guarded


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whom a ticket lets in. `issued_at` and `expires_at` are epoch milliseconds and those of the credential that asked
    for it; `origin` is that of the page that asked, which has to be the one that uses it (None: a program)."""

    app: str
    user: str
    scopes: tuple[str, ...]
    session: str | None
    issued_at: int
    expires_at: int
    origin: str | None


class Tickets:
    """Adapter of ticket:{digest}."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def put(self, secret: str, ticket: Ticket, life: int) -> None:
        """Keep a ticket for `life` seconds. Raises RedisUnavailable."""
        with guarded():
            self._client.set(keys.ticket(_digest(secret)), orjson.dumps(asdict(ticket)), ex=life)

    def take(self, secret: str) -> Ticket | None:
        """The ticket of this secret, used up by this; None if there is none any more. Raises RedisUnavailable."""
        with guarded():
            raw = self._client.getdel(keys.ticket(_digest(secret)))
        return _read(raw) if isinstance(raw, bytes) else None


def _digest(secret: str) -> str:
    # A secret is what somebody outside presents: surrogates must not become an error of ours.
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _read(raw: bytes) -> Ticket | None:
    """What another version wrote lets nobody in."""
    try:
        doc = orjson.loads(raw)
        return Ticket(**{**doc, "scopes": tuple(doc["scopes"])})
    except (ValueError, TypeError, KeyError):
        return None
