"""GET /v1/notifications/{id} and its deliveries.

Rule S.
"""

import falcon

from api.following import Following
from api.request import ApiRequest
from api.resources.base import Resource, reply


class Followed(Resource):
    """One notification, for the app that sent it."""

    def __init__(self, following: Following) -> None:
        self._following = following

    def on_get(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Tell what became of it."""
        reply(resp, self._following.find(req.app, id))

    def on_get_deliveries(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """List what became of it at each receiver."""
        reply(resp, self._following.deliveries(req.app, id, req.query))
