"""gzip, for answers above a kilobyte and callers that take it.

Rule S, RFC 9110 section 8.4. Never for an answer that holds a secret: its length would tell something of the secret to
who can have text of his own beside it (BREACH). Files are packed once at the start (api.documents); what is left is
packed here, and what is big in a thread, where it holds nobody up.
"""

from typing import Any, Final

import falcon
import gevent

from api.negotiation import takes_gzip
from api.packing import LEAST, pack
from api.request import ApiRequest

THREAD_FROM: Final = 32_768
"""Bytes; packing more would hold up everybody else for longer than a millisecond."""

_KINDS: Final = ("application/json", "text/", "image/svg+xml", "application/javascript")


class Compression:
    """Packs what the responder has put in `resp.data`; HEAD is treated as GET, so both tell the same."""

    def process_response(self, req: ApiRequest, resp: falcon.Response, *_: Any) -> None:
        """Pack it, or leave it as it is."""
        data = resp.data
        if data is None or len(data) < LEAST or resp.get_header("Vary") is not None:
            return
        operation = req.operation
        if operation is not None and operation.secret:
            return
        if not (resp.content_type or "").startswith(_KINDS):
            return
        resp.set_header("Vary", "Accept-Encoding")
        if takes_gzip(req.env.get("HTTP_ACCEPT_ENCODING", "")):
            resp.data = _packed(data)
            resp.set_header("Content-Encoding", "gzip")


def _packed(data: bytes) -> bytes:
    if len(data) < THREAD_FROM:
        return pack(data)
    packed: bytes = gevent.get_hub().threadpool.apply(pack, (data,))
    return packed
