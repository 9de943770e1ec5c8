"""GET /v1/segments, PUT, GET, DELETE /v1/segments/{name}, POST /v1/segments/preview.

Rule S.
"""

from typing import Final

import falcon

from api.request import ApiRequest
from api.resources.base import Resource, reply
from api.schemas.segments import SEGMENT_NAME
from api.segments import Segments
from api.validation import check_at

PREVIEW: Final = "preview"
"""The last word of the route that tries a rule; a segment may have that name too."""


class SegmentBox(Resource):
    """Rules over what is known of users."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List them."""
        reply(resp, self._segments.page(req.app, req.query))

    def on_put_one(self, req: ApiRequest, resp: falcon.Response, name: str) -> None:
        """Make or replace one."""
        check_at("name", SEGMENT_NAME, name)
        found, new = self._segments.put(req.app, name, req.body["rule"])
        reply(resp, found, 201 if new else 200)

    def on_get_one(self, req: ApiRequest, resp: falcon.Response, name: str) -> None:
        """Tell one."""
        check_at("name", SEGMENT_NAME, name)
        reply(resp, self._segments.get(req.app, name))

    def on_delete_one(self, req: ApiRequest, resp: falcon.Response, name: str) -> None:
        """Delete one."""
        check_at("name", SEGMENT_NAME, name)
        self._segments.remove(req.app, name)
        resp.status = falcon.HTTP_204

    def on_post_preview(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Count whom a rule holds, and name some."""
        reply(resp, self._segments.preview(req.app, req.body["rule"]))

    def on_put_preview(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Make or replace the segment of that name, which the route of the preview hides."""
        self.on_put_one(req, resp, PREVIEW)

    def on_get_preview(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Tell the segment of that name."""
        self.on_get_one(req, resp, PREVIEW)

    def on_delete_preview(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Delete the segment of that name."""
        self.on_delete_one(req, resp, PREVIEW)
