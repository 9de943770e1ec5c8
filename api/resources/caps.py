"""GET /v1/caps, PUT and DELETE /v1/caps/{id}.

Rule S.
"""

import falcon

from api.caps import Caps
from api.request import ApiRequest
from api.resources.base import Resource, reply
from api.schemas.caps import CAP_ID, CAP_ID_SHAPE
from api.validation import check_at


class CapBox(Resource):
    """How often a user may get something."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List them."""
        reply(resp, self._caps.all(req.app))

    def on_put_one(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Make or replace one."""
        check_at("id", CAP_ID, id, CAP_ID_SHAPE)
        told, new = self._caps.put(req.app, id, req.body)
        reply(resp, told, 201 if new else 200)

    def on_delete_one(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Take one away."""
        check_at("id", CAP_ID, id, CAP_ID_SHAPE)
        self._caps.delete(req.app, id)
        resp.status = falcon.HTTP_204
