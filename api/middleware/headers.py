"""Headers that every answer carries: nothing of it is to be guessed at, framed or kept by a cache on its way.

Rule S; what they are is shared.http_headers'.
"""

from typing import Any

import falcon

from api.request import ApiRequest
from shared.http_headers import ALWAYS, DATA_POLICY, NO_STORE, POLICY


class Headers:
    """Sets what the responder has not set itself."""

    def process_response(self, _req: ApiRequest, resp: falcon.Response, *_: Any) -> None:
        """Add them."""
        resp.set_headers(ALWAYS)
        if resp.get_header(POLICY) is None:
            resp.set_header(POLICY, DATA_POLICY)
        if resp.get_header("Cache-Control") is None:
            resp.set_header(*NO_STORE)
