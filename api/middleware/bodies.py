"""Bodies and queries: read within their limit, understood strictly, checked against the schema of the route.

Rule S. A responder only ever sees what its schema describes.
"""

from typing import Any, BinaryIO, Final

import falcon
from pydantic import ValidationError

from api import strict_json
from api.request import ApiRequest
from api.routing import Body
from api.validation import check, invalid, invalid_from
from shared.errors import BodyTooLarge, MalformedBody, UnsupportedMediaType

BATCH_LEVELS: Final = 2
"""A batch wraps its notifications in an object and a list; each may still be as deep as a single one."""


class Bodies:
    """Sets `req.body` and `req.query`."""

    def __init__(self, *, body_max: int, batch_max: int) -> None:
        self._body_max = body_max
        self._batch_max = batch_max

    def process_resource(
        self, req: ApiRequest, _resp: falcon.Response, _resource: Any, _params: dict[str, Any]
    ) -> None:
        """Read what the operation takes; raises 400, 413, 415 or 422."""
        operation = req.operation
        if operation is None:
            return
        if operation.query is not None:
            req.query = _query(req, operation.query.validator)
        if operation.body is not None:
            req.body = self._body(req, operation.body)

    def _body(self, req: ApiRequest, expected: Body) -> Any:
        raw = _read(req, self._batch_max if expected.batch else self._body_max)
        if expected.loose:
            return _loose(raw, req.env.get("CONTENT_TYPE", ""))
        if not raw:
            # Nothing has no type either.
            if expected.required:
                raise MalformedBody("A body is expected.")
            return {}
        if not _is_json(req.env.get("CONTENT_TYPE", "")):
            raise UnsupportedMediaType
        if req.env.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
            raise UnsupportedMediaType("Send the body as it is, without Content-Encoding.")
        depth = strict_json.MAX_DEPTH + (BATCH_LEVELS if expected.batch else 0)
        return check(expected.check, strict_json.loads(raw, max_depth=depth))


def _loose(raw: bytes, content_type: str) -> dict[str, Any]:
    """Read an object where a contract of its own judges it; what is none, or not said to be JSON, has no fields."""
    if not raw or (content_type and not _is_json(content_type)):
        return {}
    value = strict_json.loads(raw)
    return value if isinstance(value, dict) else {}


def _is_json(content_type: str) -> bool:
    if content_type == "application/json":
        return True
    kind, _, parameters = content_type.lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    return kind.strip() == "application/json" and charset in ("", "utf-8", "utf8")


def _read(req: ApiRequest, limit: int) -> bytes:
    """Read the whole body, and never more than `limit` bytes of it."""
    stream: BinaryIO = req.env["wsgi.input"]
    announced = req.content_length
    try:
        if announced is None:
            # Chunked: the server ends the stream. Without either header there is no body.
            raw = stream.read(limit + 1) if req.env.get("HTTP_TRANSFER_ENCODING") else b""
        elif announced > limit:
            raise BodyTooLarge(f"At most {limit} bytes.", detail={"limit": limit})
        else:
            raw = stream.read(announced)
    except OSError:
        raise MalformedBody("The body did not arrive.") from None
    if len(raw) > limit:
        raise BodyTooLarge(f"At most {limit} bytes.", detail={"limit": limit})
    if announced is not None and len(raw) < announced:
        raise MalformedBody("The body is shorter than announced.")
    return raw


def _query(req: ApiRequest, validator: Any) -> Any:
    for name, value in req.params.items():
        if isinstance(value, list):
            raise invalid(name, "Given more than once.")
    try:
        return validator.validate_strings(req.params)
    except ValidationError as error:
        raise invalid_from(error) from None
