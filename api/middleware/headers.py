"""Headers that every answer carries: nothing of it is to be guessed at, framed or kept by a cache on its way.

Rule S.
"""

from typing import Any

import falcon

from api.request import ApiRequest


class Headers:
    """Sets what the responder has not set itself."""

    def process_response(self, _req: ApiRequest, resp: falcon.Response, *_: Any) -> None:
        """Add them."""
        resp.set_header("X-Content-Type-Options", "nosniff")
        if resp.get_header("Cache-Control") is None:
            resp.set_header("Cache-Control", "no-store")
