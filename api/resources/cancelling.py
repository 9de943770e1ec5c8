"""POST /v1/notifications/{id}/cancel and POST /v1/notifications/cancel.

Rule S.
"""

import falcon

from api.cancelling import Cancelling
from api.request import ApiRequest
from api.resources.base import Resource, reply


class CancelBox(Resource):
    """Cancelling, for the app that sent it."""

    def __init__(self, cancelling: Cancelling) -> None:
        self._cancelling = cancelling

    def on_post_one(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Cancel one."""
        reply(resp, self._cancelling.one(req.app, id, (req.body or {}).get("users")))

    def on_post_keyed(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Cancel all of a key."""
        reply(resp, self._cancelling.keyed(req.app, req.body["cancel_key"], req.body.get("users")))
