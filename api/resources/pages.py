"""GET /docs, /console and what belongs to them, and /openapi.json.

Rule S. The pages load nothing from anywhere else and run no script that is not a file of ours; the policy in the header
holds the browser to that.
"""

from collections.abc import Mapping
from typing import Final

import falcon

from api.documents import INDEX, File
from api.request import ApiRequest
from api.resources.base import Resource
from shared.errors import NotFound

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'{sockets};"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Pages(Resource):
    """A folder of files: the index under the path itself, the others below it."""

    def __init__(self, files: Mapping[str, File], *, sockets: bool = False) -> None:
        """`sockets`: the page opens WebSockets, to other ports than its own."""
        self._files = files
        self._policy = _POLICY.format(sockets=" ws: wss:" if sockets else "")

    def on_get(self, req: ApiRequest, resp: falcon.Response, name: str = INDEX) -> None:
        """Send a file, or say that the browser has it already."""
        file = self._files.get(name)
        if file is None:
            raise NotFound
        resp.set_header("Content-Security-Policy", self._policy)
        resp.set_header("Referrer-Policy", "no-referrer")
        _send(req, resp, file)


class OpenApi(Resource):
    """The description of this interface."""

    def __init__(self, document: File) -> None:
        self._document = document

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Send it."""
        _send(req, resp, self._document)


def _send(req: ApiRequest, resp: falcon.Response, file: File) -> None:
    resp.set_header("ETag", file.etag)
    # The browser may keep it, and asks each time whether it is still the same.
    resp.set_header("Cache-Control", "no-cache")
    if req.get_header("If-None-Match") == file.etag:
        resp.status = falcon.HTTP_304
        return
    resp.content_type = file.media_type
    resp.data = file.content
