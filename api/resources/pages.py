"""GET /docs, /console and what belongs to them, and /openapi.json.

Rule S. The pages load nothing from anywhere else and run no script that is not a file of ours; the policy in the header
holds the browser to that.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import falcon

from api.documents import INDEX, File
from api.negotiation import takes_gzip
from api.request import ApiRequest
from api.resources.base import Resource
from shared.config import Settings
from shared.errors import NotFound
from shared.http_headers import POLICY, page_policy

_NAMED_NODES: Final = 16
_LOCAL_NAMES: Final = ("127.0.0.1", "localhost")


class Pages(Resource):
    """A folder of files: the index under the path itself, the others below it."""

    def __init__(self, files: Mapping[str, File], *, sockets: Sequence[str] = ()) -> None:
        """`sockets`: other origins than its own to which the page opens WebSockets."""
        self._files = files
        self._policy = page_policy(sockets)

    def on_get(self, req: ApiRequest, resp: falcon.Response, name: str = INDEX) -> None:
        """Send a file, or say that the browser has it already."""
        file = self._files.get(name)
        if file is None:
            raise NotFound
        resp.set_header(POLICY, self._policy)
        _send(req, resp, file)


class OpenApi(Resource):
    """The description of this interface."""

    def __init__(self, document: File) -> None:
        self._document = document

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Send it."""
        _send(req, resp, self._document)


def node_origins(settings: Settings) -> tuple[str, ...]:
    """Where the console of a development machine finds the nodes; behind a proxy they are at its own origin."""
    if not settings.dev_sign_in:
        return ()
    ports = range(settings.node_port, settings.node_port + settings.nodes)
    # A list of hundreds would be longer than heads may be.
    names = [str(port) for port in ports] if len(ports) <= _NAMED_NODES else ["*"]
    return tuple(f"ws://{host}:{port}" for host in _LOCAL_NAMES for port in names)


def _send(req: ApiRequest, resp: falcon.Response, file: File) -> None:
    packed = file.gzipped if takes_gzip(req.env.get("HTTP_ACCEPT_ENCODING", "")) else None
    # Two contents, so two names (RFC 9110 section 8.8.3.3).
    etag = file.etag if packed is None else f'{file.etag[:-1]}-gzip"'
    resp.set_header("ETag", etag)
    if file.gzipped is not None:
        resp.set_header("Vary", "Accept-Encoding")
    # The browser may keep it, and asks each time whether it is still the same.
    resp.set_header("Cache-Control", "no-cache")
    if _has(req.env.get("HTTP_IF_NONE_MATCH", ""), etag):
        resp.status = falcon.HTTP_304
        return
    resp.content_type = file.media_type
    resp.data = file.content
    if packed is not None:
        resp.data = packed
        resp.set_header("Content-Encoding", "gzip")


def _has(none_match: str, etag: str) -> bool:
    """Compare weakly, as RFC 9110 section 13.1.2 has it: proxies that pack make a strong name a weak one."""
    names = [name.strip().removeprefix("W/") for name in none_match.split(",")]
    return etag in names or "*" in names
