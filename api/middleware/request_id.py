"""A request id for every request: the caller's, if it is one, or a new one; always returned.

Rule S. It goes into the journal with the notification, so that one id finds the lines of api, worker and node.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import falcon

from api.request import ApiRequest

HEADER: Final = "X-Request-Id"
_SHAPE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class RequestId:
    """Sets `req.request_id`; anything but a plain short id is replaced, since it is written into logs."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random

    def process_request(self, req: ApiRequest, _resp: falcon.Response) -> None:
        """Accept or make the id."""
        given = req.env.get("HTTP_X_REQUEST_ID")
        req.request_id = given if given and _SHAPE.fullmatch(given) else self._random(12).hex()

    def process_response(self, req: ApiRequest, resp: falcon.Response, *_: Any) -> None:
        """Return it."""
        resp.set_header(HEADER, req.request_id)
