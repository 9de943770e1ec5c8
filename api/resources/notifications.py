"""Hop 1 of 9: POST /v1/notifications: one request in, one call, 202 out.

Rule S. What is asked was checked by the middleware; what becomes of it is decided in api.acceptance, and following it
afterwards is api.resources.following.
"""

import falcon

from api import limits
from api.acceptance import KEY_HEADER, Acceptance, Answered, Origin, read_key
from api.known_apps import KnownApps
from api.limits import Limiter
from api.request import ApiRequest
from api.resources.base import Resource, reply
from api.stories import Stories

REPLAYED_HEADER = "Idempotent-Replayed"


class Notifications(Resource):
    """POST /v1/notifications and /v1/notifications/batch, and GET for the list of them."""

    def __init__(
        self, acceptance: Acceptance, known_apps: KnownApps, stories: Stories, limiter: Limiter
    ) -> None:
        self._acceptance = acceptance
        self._known_apps = known_apps
        self._stories = stories
        self._limiter = limiter

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List them, newest first."""
        reply(resp, self._stories.page(req.app, req.query))

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Accept one."""
        self._known_apps.check(req.app)
        _accepted(resp, self._acceptance.one(req.body, self._origin(req), _key(req)))

    def on_post_batch(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Accept many, each judged by itself."""
        self._known_apps.check(req.app)
        items = req.body["notifications"]
        _accepted(resp, self._acceptance.many(items, self._origin(req), _key(req)))

    def _origin(self, req: ApiRequest) -> Origin:
        return Origin(
            app=req.app,
            sender=req.principal.sender,
            request_id=req.request_id,
            route=req.uri_template or "",
            limits=self._limiter.sending(req.principal),
        )


def _key(req: ApiRequest) -> str | None:
    return read_key(req.get_header(KEY_HEADER))


def _accepted(resp: falcon.Response, answered: Answered) -> None:
    resp.status = falcon.HTTP_202
    resp.data = answered.body
    if answered.standings:
        resp.set_headers(limits.headers(answered.standings))
    if answered.replayed:
        resp.set_header(REPLAYED_HEADER, "true")
