"""Refuses who wants anything but JSON where JSON is all there is, before a body is read.

Rule S. Pages, metrics and answers without content have nothing to choose from, so they are sent as they are.
"""

from typing import Any

import falcon

from api.negotiation import takes_json
from api.request import ApiRequest
from api.routing import answers_json
from shared.errors import NotAcceptable


class Acceptable:
    """Looks at `Accept`."""

    def process_resource(
        self, req: ApiRequest, _resp: falcon.Response, _resource: Any, _params: dict[str, Any]
    ) -> None:
        """Raise NotAcceptable, or let pass."""
        accept = req.env.get("HTTP_ACCEPT", "*/*")
        operation = req.operation
        if accept == "*/*" or operation is None or takes_json(accept):
            return
        if answers_json(operation):
            raise NotAcceptable
