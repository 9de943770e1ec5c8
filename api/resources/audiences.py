"""POST /v1/notifications/preview.

Rule S.
"""

import falcon

from api.audiences import Audiences
from api.request import ApiRequest
from api.resources.base import Resource, reply


class AudienceBox(Resource):
    """Whom a notification would reach."""

    def __init__(self, audiences: Audiences) -> None:
        self._audiences = audiences

    def on_post_preview(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Count them, and name some."""
        reply(resp, self._audiences.preview(req.app, req.body["to"]))
