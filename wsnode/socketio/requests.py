"""What a request to /socket.io/ asks for, decided before anything is looked up. Pure.

Engine.IO has an error code of its own for what does not fit (wsnode.socketio.engine), and clients know them: upon
"Session ID unknown" they open another session.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from wsnode.handshake import Request, wants_upgrade
from wsnode.socketio import engine

PATHS: Final = frozenset({"/socket.io/", "/socket.io"})
SID_MAX: Final = 64
FIELDS_MAX: Final = 20


class Preflight(NamedTuple):
    """A browser asks what pages of another origin may do."""


class Open(NamedTuple):
    """A new session; `upgraded`: over a WebSocket from the start."""

    upgraded: bool
    query: Mapping[str, list[str]]


class Poll(NamedTuple):
    """What is there for this session?"""

    sid: str


class Post(NamedTuple):
    """Packets of this session."""

    sid: str


class Upgrade(NamedTuple):
    """This session wants to go on over this WebSocket."""

    sid: str


Wish = Preflight | Open | Poll | Post | Upgrade


def read(request: Request) -> Wish:
    """What is asked for. Raises EngineError."""
    if request.method == "OPTIONS":
        return Preflight()
    try:
        query = parse_qs(request.query, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise engine.bad_request("The query has too many fields.") from None
    if _first(query, "EIO") != engine.VERSION:
        raise engine.unsupported_version()
    transport = _first(query, "transport")
    if transport not in ("polling", "websocket"):
        raise engine.unknown_transport()
    if "j" in query:
        raise engine.bad_request("JSONP is not served: use polling with CORS, or WebSocket.")
    upgrade = wants_upgrade(request)
    if upgrade != (transport == "websocket"):
        raise engine.bad_request("transport=websocket and Upgrade: websocket go together.")
    return _of(request.method, query, upgrade=upgrade)


def _of(method: str, query: Mapping[str, list[str]], *, upgrade: bool) -> Wish:
    sid = _first(query, "sid")
    if not sid:
        if method != "GET":
            raise engine.bad_method()
        return Open(upgrade, query)
    if len(sid) > SID_MAX:
        raise engine.unknown_session()
    match method:
        case "GET":
            return Upgrade(sid) if upgrade else Poll(sid)
        case "POST" if not upgrade:
            return Post(sid)
        case _:
            raise engine.bad_request("A session is polled with GET and written to with POST.", status=405)


def _first(query: Mapping[str, list[str]], name: str) -> str:
    return query.get(name, [""])[0]
