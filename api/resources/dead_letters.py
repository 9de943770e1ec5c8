"""GET /v1/dead-letters, and POST /v1/notifications/{id}/retry.

Rule S.
"""

import falcon

from api.dead_letters import DeadLetters
from api.request import ApiRequest
from api.resources.base import Resource, reply


class DeadLetterBox(Resource):
    """What failed, for the app that sent it."""

    def __init__(self, letters: DeadLetters) -> None:
        self._letters = letters

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List them."""
        reply(resp, self._letters.page(req.app, req.query))

    def on_post_retry(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Send one again."""
        reply(resp, self._letters.retry(req.app, id), 202)
