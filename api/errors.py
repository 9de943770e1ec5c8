"""Every failure in the one error format: ours, Falcon's, the database's, and what nobody expected.

Rule S. `{"error": {code, message, detail?, retryable, request_id}}` (DESIGN section 5); a contract that was taken over
keeps its own (api.compat.refusals). An unexpected error is logged
with its traceback under the request id; the caller sees only the id, unless debug is on.
"""

import math
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import falcon
import orjson
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api import limits
from api.request import ApiRequest
from shared import logs
from shared.db import DatabaseUnavailable
from shared.errors import (
    AppError,
    BodyTooLarge,
    Conflict,
    Forbidden,
    Internal,
    MalformedBody,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from shared.redis.over_limit import OverLimit

log = logs.get(__name__)

_OF_STATUS: Final[dict[int, type[AppError]]] = {
    kind.status: kind
    for kind in (
        BodyTooLarge,
        Conflict,
        Forbidden,
        MalformedBody,
        MethodNotAllowed,
        NotAcceptable,
        NotFound,
        TooManyRequests,
        Unauthenticated,
        Unavailable,
        UnsupportedMediaType,
    )
}
_DATABASE_RETRY: Final = 2
Handler = Callable[[ApiRequest, falcon.Response, Any, dict[str, Any]], None]


def add_handlers(app: "falcon.App[Any, Any]", *, debug: bool) -> None:
    """Install the handlers; Falcon picks the most specific one."""

    def unexpected(req: ApiRequest, resp: falcon.Response, error: Exception, _: dict[str, Any]) -> None:
        log.error(
            "request_failed",
            request_id=req.request_id,
            route=req.uri_template,
            method=req.method,
            exc_info=error,
        )
        detail = traceback.format_exception(error) if debug else None
        answer(req, resp, Internal(detail=detail))

    app.add_error_handler(Exception, unexpected)
    app.add_error_handler(SQLAlchemyError, _database_handler(unexpected))
    app.add_error_handler(falcon.HTTPError, _on_http_error)
    app.add_error_handler(AppError, _on_app_error)


def answer(req: ApiRequest, resp: falcon.Response, error: AppError) -> None:
    """Write `error` into the response."""
    refusal = req.operation.refusal if req.operation else None
    status, body = (
        refusal(error) if refusal else (error.status, {"error": error.body(req.request_id or None)})
    )
    resp.status = status
    resp.content_type = falcon.MEDIA_JSON
    resp.data = orjson.dumps(body, default=repr)
    if error.retry_after is not None:
        resp.set_header("Retry-After", str(math.ceil(error.retry_after)))
    if isinstance(error, OverLimit):
        resp.set_headers(limits.headers(error.standings))
    if error.status == Unauthenticated.status:
        resp.set_header("WWW-Authenticate", 'Bearer realm="bellhop"')


def database_error(error: SQLAlchemyError) -> AppError | None:
    """Translate a database that is away or busy; None for anything else, which is a fault of ours."""
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if lost or isinstance(error, (OperationalError, InterfaceError, PoolTimeout)):
        return DatabaseUnavailable(retry_after=_DATABASE_RETRY)
    return None


@contextmanager
def translated() -> Iterator[None]:
    """Turn a database that is away into DatabaseUnavailable, where a caller has something better to do than to fail."""
    try:
        yield
    except SQLAlchemyError as error:
        known = database_error(error)
        if known is None:
            raise
        raise known from error


def _database_handler(unexpected: Handler) -> Handler:
    def handle(
        req: ApiRequest, resp: falcon.Response, error: SQLAlchemyError, params: dict[str, Any]
    ) -> None:
        known = database_error(error)
        if known is None:
            unexpected(req, resp, error, params)
            return
        log.warning("database_unavailable", request_id=req.request_id, reason=str(error.__cause__ or error))
        answer(req, resp, known)

    return handle


def _on_app_error(req: ApiRequest, resp: falcon.Response, error: AppError, _: dict[str, Any]) -> None:
    answer(req, resp, error)


def _on_http_error(
    req: ApiRequest, resp: falcon.Response, error: falcon.HTTPError, _: dict[str, Any]
) -> None:
    """Say in our words what Falcon raises: no route, no such method, a header that cannot be read."""
    kind = _OF_STATUS.get(error.status_code, MalformedBody if error.status_code < 500 else Internal)  # noqa: PLR2004
    if error.headers:
        resp.set_headers(error.headers)
    answer(req, resp, kind(error.description if kind is MalformedBody else None))
    resp.status = error.status_code
