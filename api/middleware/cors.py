"""Which pages of other origins may ask, by the exact list of the settings; a browser obeys what is said here.

Rule S, https://fetch.spec.whatwg.org/#http-cors-protocol. A foreign origin gets no header, which is a refusal. Cookies
go with a request only to the routes that read one, and never where the list says `*`.
"""

from collections.abc import Collection, Sequence
from typing import Final

import falcon

from api.request import ApiRequest

REQUEST_HEADERS: Final = ("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-Id")
MAX_AGE: Final = 7200
"""Seconds for which a browser need not ask again; the most that Chromium takes."""

ANY: Final = "*"


class Cors:
    """Answers what a browser asks before it lets a page ask, and marks every answer."""

    def __init__(self, origins: Collection[str], *, expose: Sequence[str], cookies: str) -> None:
        """`expose`: the headers that pages may read. `cookies`: where the paths begin that take cookies."""
        self._origins = frozenset(origins)
        self._expose = ", ".join(expose)
        self._cookies = cookies

    def process_response(self, req: ApiRequest, resp: falcon.Response, *_: object) -> None:
        """Add the headers; an unknown origin gets `Vary` alone, which caches on the way need."""
        resp.append_header("Vary", "Origin")
        origin: str | None = req.env.get("HTTP_ORIGIN")
        if origin is None:
            return
        exact = origin in self._origins
        if not exact and ANY not in self._origins:
            return
        resp.set_header("Access-Control-Allow-Origin", origin if exact else ANY)
        if exact and req.path.startswith(self._cookies):
            resp.set_header("Access-Control-Allow-Credentials", "true")
        if req.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in req.env:
            self._answer_beforehand(resp)
        else:
            resp.set_header("Access-Control-Expose-Headers", self._expose)

    def _answer_beforehand(self, resp: falcon.Response) -> None:
        allowed = resp.get_header("Allow")
        # Without it the path does not exist, and the answer says so.
        if allowed is None:
            return
        resp.status = falcon.HTTP_204
        resp.set_header("Access-Control-Allow-Methods", allowed)
        resp.set_header("Access-Control-Allow-Headers", ", ".join(REQUEST_HEADERS))
        resp.set_header("Access-Control-Max-Age", str(MAX_AGE))
