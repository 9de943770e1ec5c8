"""The headers of answers, as /openapi.json describes them: once each, and which of them an answer has.

Rule P.
"""

from typing import Any, Final

from api import limits
from api.acceptance import KEY_HEADER
from api.middleware.request_id import HEADER as REQUEST_ID
from api.resources.notifications import REPLAYED_HEADER
from api.routing import Limited, Operation

Document = dict[str, Any]
IF_NONE_MATCH: Final = "If-None-Match"
_CHALLENGE: Final = "WWW-Authenticate"
_RETRY: Final = "Retry-After"
_ETAG: Final = "ETag"
_WAITING: Final = (429, 503)
_UNAUTHENTICATED: Final = 401
_REFUSALS: Final = 400

# One limit is `"key";r=9;t=1`, several are joined by commas.
_POLICY: Final = r'"[a-z-]+";q=[0-9]+;w=[0-9]+'
_STANDING: Final = r'"[a-z-]+";r=[0-9]+;t=[0-9]+'


def _text(about: str, *, required: bool = False, **schema: Any) -> Document:
    return {"description": about, "required": required, "schema": {"type": "string", **schema}}


HEADERS: Final[Document] = {
    REQUEST_ID: _text(
        "The id of this request: the caller's own, or a new one.",
        required=True,
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
    ),
    limits.POLICY_HEADER: _text(
        "The limits that the request is under: `q` requests or recipients in `w` seconds. Absent where none is set.",
        pattern=f"^{_POLICY}(, {_POLICY})*$",
    ),
    limits.HEADER: _text(
        "What is left under each of them: `r` now, all of it again in `t` seconds.",
        pattern=f"^{_STANDING}(, {_STANDING})*$",
    ),
    _RETRY: {
        "description": "Seconds to wait. Absent where waiting does not help.",
        "required": False,
        "schema": {"type": "integer", "minimum": 0},
    },
    _CHALLENGE: _text("Which credential is asked for.", required=True, const='Bearer realm="bellhop"'),
    REPLAYED_HEADER: _text("There where the answer is that of an earlier request.", const="true"),
    _ETAG: _text("Names this content; it goes into `If-None-Match`.", required=True),
}


def of_answer(operation: Operation, status: int) -> Document:
    """Return the headers of one answer, as references."""
    names = [REQUEST_ID]
    if operation.limited is not Limited.NOBODY:
        names += [limits.POLICY_HEADER, limits.HEADER]
    if status in _WAITING and status not in operation.answers:
        names.append(_RETRY)
    if status == _UNAUTHENTICATED:
        names.append(_CHALLENGE)
    if status < _REFUSALS and KEY_HEADER in operation.headers:
        names.append(REPLAYED_HEADER)
    if status < _REFUSALS and IF_NONE_MATCH in operation.headers:
        names.append(_ETAG)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
