"""Connections to Redis: one way to make a client, one error for every way that Redis can fail us."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from shared.errors import Unavailable
from shared.redis import keys

Client = redis.Redis
"""What connect() makes, for those who must not name the library."""


class RedisUnavailable(Unavailable):
    """Redis refused, timed out or is away; what was asked may or may not have happened."""

    title = "Redis does not answer."


def connect(url: str, *, timeout: float = 5.0, connections: int = 64, name: str = "bellhop") -> "redis.Redis":
    """A client with a deadline of `timeout` seconds a command, never repeating one by itself.

    redis-py 8 repeats up to 10 times by default, which would run INCR, PUBLISH and our scripts twice.
    Values are bytes. Raises nothing here: connections are made when first used.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=min(timeout, 3.0),
        socket_keepalive=True,
        health_check_interval=10,
        max_connections=connections,
        retry=Retry(NoBackoff(), 0),
        client_name=name,
    )


@contextmanager
def guarded() -> Iterator[None]:
    """Turn every failure of Redis inside the block into RedisUnavailable."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise RedisUnavailable(
            f"Redis does not answer: {type(error).__name__}: {error}", retry_after=1
        ) from error


def check(client: "redis.Redis") -> None:
    """Raises RedisUnavailable if Redis does not answer or takes no writes: full, loading, read only, disk in trouble.

    PING would be answered by a Redis that can accept nothing.
    """
    with guarded():
        client.set(keys.READINESS, b"", ex=60)


def text(value: Any) -> str | None:
    """A reply of a script as text; None where it is nil."""
    return None if value is None else value.decode() if isinstance(value, bytes) else str(value)
