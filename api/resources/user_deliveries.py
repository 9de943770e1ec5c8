"""GET /v1/users/{id}/deliveries.

Rule S.
"""

import falcon

from api.request import ApiRequest
from api.resources.base import Resource, reply
from api.user_deliveries import UserDeliveries


class UserDeliveryBox(Resource):
    """What became of everything that was for one user, for the app that sent it."""

    def __init__(self, deliveries: UserDeliveries) -> None:
        self._deliveries = deliveries

    def on_get(self, req: ApiRequest, resp: falcon.Response, user: str) -> None:
        """List it."""
        reply(resp, self._deliveries.page(req.app, user, req.query))
