"""What a node answers over plain HTTP: health, readiness, metrics, and errors in the one format.

Rule S. A WSGI function and no framework: there are three routes.
"""

from collections.abc import Callable
from http import HTTPStatus
from math import ceil
from typing import Any, Final, Protocol

import orjson

from shared import metrics
from shared.clock import Clock, rfc3339
from shared.errors import AppError, MethodNotAllowed, NotFound
from shared.http_headers import DATA
from wsnode.handshake import UPGRADE_REQUIRED

JSON: Final = "application/json"
REQUEST_ID: Final = "X-Request-Id"

Headers = list[tuple[str, str]]
StartResponse = Callable[[str, Headers], Any]


class Readiness(Protocol):
    """What readiness is read from."""

    @property
    def redis(self) -> bool:
        """Whether Redis answers."""
        ...

    @property
    def reason(self) -> str | None:
        """Why new connections are not welcome; None if they are."""
        ...


def respond(
    environ: dict[str, Any], start_response: StartResponse, node: Readiness, clock: Clock
) -> list[bytes]:
    """Answer one request that is no handshake."""
    request_id = str(environ.get("HTTP_X_REQUEST_ID", ""))[:64]
    try:
        status, kind, body = _route(environ, node, clock)
    except AppError as error:
        line, headers, body = refusal(error, request_id)
        start_response(line, headers)
        return [body]
    start_response(
        status_line(status),
        [("Content-Type", kind), ("Content-Length", str(len(body))), *common(request_id)],
    )
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def refusal(error: AppError, request_id: str) -> tuple[str, Headers, bytes]:
    """An error in the one format: status line, headers, body."""
    body = orjson.dumps({"error": error.body(request_id or None)}, default=repr)
    headers = [("Content-Type", JSON), ("Content-Length", str(len(body))), *common(request_id)]
    if error.retry_after is not None:
        headers.append(("Retry-After", str(ceil(error.retry_after))))
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append(("Allow", "GET, HEAD"))
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers.append(("WWW-Authenticate", 'Bearer realm="bellhop"'))
    if error.status == UPGRADE_REQUIRED:
        headers += [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
    return status_line(error.status), headers, body


def _route(environ: dict[str, Any], node: Readiness, clock: Clock) -> tuple[int, str, bytes]:
    path = environ["PATH_INFO"]
    if path not in ("/health", "/readiness", "/metrics"):
        raise NotFound
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        raise MethodNotAllowed
    if path == "/metrics":
        return HTTPStatus.OK, metrics.CONTENT_TYPE, metrics.render()
    if path == "/health":
        return HTTPStatus.OK, JSON, orjson.dumps({"status": "UP", "timestamp": rfc3339(clock.now_ms())})
    redis = "connected" if node.redis else "disconnected"
    if node.reason is None:
        return HTTPStatus.OK, JSON, orjson.dumps({"status": "READY", "redis": redis})
    doc = {"status": "NOT_READY", "redis": redis, "reason": node.reason}
    return HTTPStatus.SERVICE_UNAVAILABLE, JSON, orjson.dumps(doc)


def status_line(status: int) -> str:
    """Status and phrase."""
    return f"{status} {HTTPStatus(status).phrase}"


def common(request_id: str) -> Headers:
    """What every answer carries."""
    return [*DATA, (REQUEST_ID, request_id)] if request_id else [*DATA]
