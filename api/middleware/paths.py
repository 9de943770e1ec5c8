"""User ids and topics in the address: `%2F` is part of one and `/` ends it, and what is not UTF-8 names nobody.

Rule S. The server decodes the whole path before it can be split, so the path is built again from the raw one. The slash
travels as a control character, which neither may hold, and becomes a slash where the route takes the value. Bytes that
are not UTF-8 arrive as U+FFFD, all of them alike: a path with them would be that of another user.
"""

from typing import Final
from urllib.parse import unquote, unquote_to_bytes

import falcon
from falcon.routing import BaseConverter

from api.request import ApiRequest
from shared.errors import NotFound

_STAND_IN: Final = "\x1f"
_REPLACED: Final = "\ufffd"


class EncodedSlashes:
    """Rewrites `req.path` where it has to."""

    def process_request(self, req: ApiRequest, _resp: falcon.Response) -> None:
        """Rewrite it."""
        if _STAND_IN in req.path:
            raise NotFound
        raw: str = req.env.get("RAW_URI", "")
        if _REPLACED in req.path and not _is_utf8(raw.partition("?")[0]):
            raise NotFound
        if "%2f" in raw or "%2F" in raw:
            path = raw.partition("?")[0].replace("%2f", _STAND_IN).replace("%2F", _STAND_IN)
            req.path = unquote(path, errors="replace")


def _is_utf8(path: str) -> bool:
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True


class WithSlashes(BaseConverter):
    """`{user:user}` and `{topic:topic}` in a route."""

    def convert(self, value: str) -> str:
        """Put the slashes back."""
        return value.replace(_STAND_IN, "/")
