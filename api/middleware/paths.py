"""User ids and topics with a slash in the address: `%2F` is part of one, `/` ends it.

Rule S. The server decodes the whole path before it can be split, so the path is built again from the raw one. The slash
travels as a control character, which neither may hold, and becomes a slash where the route takes the value.
"""

from typing import Final
from urllib.parse import unquote

import falcon
from falcon.routing import BaseConverter

from api.request import ApiRequest
from shared.errors import NotFound

_STAND_IN: Final = "\x1f"


class EncodedSlashes:
    """Rewrites `req.path` where it has to."""

    def process_request(self, req: ApiRequest, _resp: falcon.Response) -> None:
        """Rewrite it."""
        if _STAND_IN in req.path:
            raise NotFound
        raw: str = req.env.get("RAW_URI", "")
        if "%2f" in raw or "%2F" in raw:
            path = raw.partition("?")[0].replace("%2f", _STAND_IN).replace("%2F", _STAND_IN)
            req.path = unquote(path, errors="replace")


class WithSlashes(BaseConverter):
    """`{user:user}` and `{topic:topic}` in a route."""

    def convert(self, value: str) -> str:
        """Put the slashes back."""
        return value.replace(_STAND_IN, "/")
