"""POST, GET /v1/schedules, and what is below it.

Rule S.
"""

import falcon

from api.acceptance import KEY_HEADER, Origin, read_key
from api.request import ApiRequest
from api.resources.base import Resource, reply
from api.resources.notifications import REPLAYED_HEADER
from api.schedules import Schedules


class ScheduleBox(Resource):
    """What is sent again and again."""

    def __init__(self, schedules: Schedules) -> None:
        self._schedules = schedules

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Make one."""
        document, known = self._schedules.make(req.body, _origin(req), _key(req))
        reply(resp, document, 201)
        _replayed(resp, known=known)

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List them."""
        reply(resp, self._schedules.page(req.app, req.query))

    def on_get_one(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Tell one."""
        reply(resp, self._schedules.get(req.app, id))

    def on_patch_one(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Change one."""
        reply(resp, self._schedules.change(req.app, id, req.body, _origin(req)))

    def on_delete_one(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Stop one for good."""
        self._schedules.remove(req.app, id)
        resp.status = falcon.HTTP_204

    def on_post_pause(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Pause one."""
        reply(resp, self._schedules.pause(req.app, id))

    def on_post_resume(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Resume one."""
        reply(resp, self._schedules.resume(req.app, id))

    def on_post_skip_next(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Leave the next one out."""
        reply(resp, self._schedules.skip_next(req.app, id))

    def on_post_run_now(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """Send once, now."""
        document, known = self._schedules.run_now(req.app, id, _key(req))
        reply(resp, document, 202)
        _replayed(resp, known=known)

    def on_get_runs(self, req: ApiRequest, resp: falcon.Response, id: str) -> None:
        """List its runs."""
        reply(resp, self._schedules.runs(req.app, id, req.query))


def _origin(req: ApiRequest) -> Origin:
    return Origin(
        app=req.app, sender=req.principal.sender, request_id=req.request_id, route=req.uri_template or ""
    )


def _key(req: ApiRequest) -> str | None:
    return read_key(req.get_header(KEY_HEADER))


def _replayed(resp: falcon.Response, *, known: bool) -> None:
    if known:
        resp.set_header(REPLAYED_HEADER, "true")
