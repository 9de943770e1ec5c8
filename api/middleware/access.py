"""One line in the log and one count in the metrics for every request.

Rule S. The line has the route and not the address, so neither a token nor a name in a query gets into it. Label
children are kept, because looking them up costs three times as much as counting.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import falcon

from api.request import ApiRequest
from shared import metrics

_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
_CONVERTER: Final = re.compile(r":\w+}")
_UNMATCHED: Final = "unmatched"
# Asked for every few seconds by supervisors and scrapers: counted, not logged.
_QUIET: Final = frozenset({"/health", "/readiness", "/metrics"})


@lru_cache(maxsize=256)
def _shown(template: str | None) -> str:
    """Spell a route as the documentation does, without the converters of its parameters."""
    return _CONVERTER.sub("}", template) if template else _UNMATCHED


class Access:
    """Outermost middleware: times the request and tells of it."""

    def __init__(self, monotonic: Callable[[], float], write: Callable[[dict[str, Any]], None]) -> None:
        self._monotonic = monotonic
        self._write = write
        self._children: dict[tuple[str, str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}

    def process_request(self, req: ApiRequest, _resp: falcon.Response) -> None:
        """Start the clock."""
        req.started = self._monotonic()

    def process_response(self, req: ApiRequest, resp: falcon.Response, *_: Any) -> None:
        """Count and log."""
        route = _shown(req.uri_template)
        method = req.method if req.method in _METHODS else "OTHER"
        status = resp.status_code
        seconds = self._monotonic() - req.started
        count, observe = self._children.get((route, method, status)) or self._make(route, method, status)
        count()
        observe(seconds)
        if route not in _QUIET:
            self._write(
                {
                    "method": method,
                    "route": route,
                    "status": status,
                    "ms": round(seconds * 1000, 2),
                    "request_id": req.request_id,
                    "caller": req.caller,
                }
            )

    def _make(
        self, route: str, method: str, status: int
    ) -> tuple[Callable[[], None], Callable[[float], None]]:
        children = (
            metrics.http_requests_total.labels(route, method, str(status)).inc,
            metrics.http_seconds.labels(route).observe,
        )
        self._children[route, method, status] = children
        return children
