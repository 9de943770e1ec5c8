"""GET /v1/users/{id}/presence and /connections, POST /v1/presence.

Rule S.
"""

import falcon

from api.presence import Presences
from api.request import ApiRequest
from api.resources.base import Resource, reply
from api.schemas.common import USER_ID, USER_ID_SHAPE
from api.validation import check_at


class PresenceBox(Resource):
    """Who is online, and who was when."""

    def __init__(self, presences: Presences) -> None:
        self._presences = presences

    def on_get(self, req: ApiRequest, resp: falcon.Response, user: str) -> None:
        """Tell it of one."""
        check_at("id", USER_ID, user, USER_ID_SHAPE)
        reply(resp, self._presences.one(req.app, user))

    def on_post_many(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Tell it of many."""
        reply(resp, {"items": self._presences.many(req.app, req.body["users"])})

    def on_get_connections(self, req: ApiRequest, resp: falcon.Response, user: str) -> None:
        """List the connections of one."""
        reply(resp, self._presences.connections(req.app, user, req.query))
