"""The opening handshake, decided before the upgrade: who is it, may this page, is the request right. Pure.

Whoever brings a credential in the handshake gets the refusal as an HTTP answer in the one error format; whoever brings
none is let in to say it in the first message. The ways in are wsnode.ways'.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from shared.auth.principal import Principal
from shared.errors import AppError, Forbidden, InvalidRequest, MethodNotAllowed, NotFound
from shared.redis.streams import Since
from wsnode import ways
from wsnode.dialects import classic, native
from wsnode.dialects.dialect import Dialect
from wsnode.ways import Brought, Credential, WaySettings, find, words

UPGRADE_REQUIRED: Final = 426
PATH: Final = "/ws"
DIALECTS: Final[dict[str, Dialect]] = {PATH: native, ways.SOCKET_PATH: classic, "/": classic}
"""What is spoken on each path."""

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_NO_PLACE: Final = "null"
"""The origin of a page that somebody opened as a file, and of about:blank."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_KEY_BYTES: Final = 16
_DIGITS_MAX: Final = 19
_SHOWN: Final = frozenset({"epoch", "me", "all"})
_POSITION: Final = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)
_NAMED: Final = _SHOWN | {*ways.QUERY_SECRETS, "EIO", "transport", "sid", "t"}
"""Names in a query that are ours to read; any other may be a secret that somebody put there without one."""


class BadHandshake(AppError):
    """The request is no WebSocket handshake as RFC 6455 wants it."""

    code, status, title = "bad_handshake", 400, "This is not a WebSocket handshake."


class UpgradeRequired(AppError):
    """The path speaks WebSocket only, or another version was asked for."""

    code, status, title = "upgrade_required", UPGRADE_REQUIRED, "Connect with WebSocket, version 13."


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the handler read it; header names in lower case."""

    method: str
    version: str
    path: str
    query: str
    headers: Mapping[str, str]
    peer: str = ""
    """The address that connected, which may be a proxy's; empty for a Unix socket."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Switch protocols. `principal` None: the first message must say who it is."""

    accept: str
    subprotocol: str | None
    principal: Principal | None
    since: Since
    sign_in: str
    address: str = ""
    """Whose this connection counts for; empty if it cannot be told."""
    dialect: Dialect = native
    """How its frames look, by the path."""


def wants_upgrade(request: Request) -> bool:
    """Whether the request is meant as a handshake."""
    return "websocket" in words(request.headers.get("upgrade", ""), lower=True)


def decide(
    request: Request,
    settings: WaySettings,
    *,
    identify: Callable[[Credential], Principal],
    knock: Callable[[], str] = str,
) -> Accepted:
    """Check one handshake. Raises an AppError that says what is wrong.

    `knock` is asked before the credential is looked at: whether there is room, and for which address it counts.
    `identify` says whose the credential is; it may wait.
    """
    dialect = DIALECTS.get(request.path)
    if dialect is None:
        raise NotFound
    accept = check_upgrade(request)
    check_origin(request.headers.get("origin"), settings)
    address = knock()
    query = _fields(request.query)
    found = find(Brought(request.path, request.headers, query), settings)
    if found.token is None and found.ticket is None:
        return Accepted(accept, found.echo, None, Since(), found.way, address, dialect)
    since = _since(query)  # first, so that a ticket is not used up for nothing
    return Accepted(accept, found.echo, identify(found), since, found.way, address, dialect)


def credential(request: Request, settings: WaySettings) -> Credential:
    """What a handshake of another kind brings. Raises Unauthenticated, or Forbidden for a cookie from elsewhere."""
    return find(Brought(request.path, request.headers, _fields(request.query)), settings)


def check_origin(origin: str | None, settings: WaySettings) -> None:
    """A page may connect only from an allowed origin; programs send none. Raises Forbidden.

    In development pages of this machine may too. Any site can make a page whose origin is null, as of a file: that is
    no harm where it has to show a token, and for a cookie only the list counts (wsnode.ways).
    """
    if origin is None or "*" in settings.origins or origin in settings.origins:
        return
    if settings.profile == "development" and _is_local(origin):
        return
    raise Forbidden("This origin may not connect.", detail={"origin": origin[:200]})


def redacted(path: str, query: str) -> str:
    """The target of a request for the log: names and values are shown only where they are known to be harmless."""
    if not query:
        return path
    return path + "?" + "&".join(_redacted(*pair.partition("=")[::2]) for pair in query.split("&"))


def _redacted(name: str, value: str) -> str:
    harmless = name in _SHOWN and _POSITION.fullmatch(value)
    return f"{name if name in _NAMED else '***'}={value if harmless else '***'}"


def check_upgrade(request: Request) -> str:
    """RFC 6455 section 4.2.1; the value of Sec-WebSocket-Accept."""
    if request.method != "GET":
        raise MethodNotAllowed
    if not wants_upgrade(request):
        raise UpgradeRequired
    if request.headers.get("content-length", "0") not in ("", "0") or "transfer-encoding" in request.headers:
        raise BadHandshake("A handshake has no body.")
    if request.version != "HTTP/1.1" or "upgrade" not in words(
        request.headers.get("connection", ""), lower=True
    ):
        raise BadHandshake("A handshake is HTTP/1.1 with Connection: Upgrade.")
    if request.headers.get("sec-websocket-version", "").strip() != "13":
        raise UpgradeRequired
    key = request.headers.get("sec-websocket-key", "").strip()
    try:
        size = len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if size != _KEY_BYTES:
        raise BadHandshake("Sec-WebSocket-Key is not 16 bytes in base64.")
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def _since(query: Mapping[str, list[str]]) -> Since:
    epoch, me, everyone = (query[name][0] if name in query else None for name in ("epoch", "me", "all"))
    found = native.since(epoch, _number(me), _number(everyone))
    if found is None:
        raise InvalidRequest("epoch is a text, me and all are numbers.")
    return found


def _fields(query: str) -> dict[str, list[str]]:
    try:
        return parse_qs(query, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise InvalidRequest("The query has too many fields.") from None


def _number(value: str | None) -> int | str | None:
    """A decimal as a number; anything else as it stands, to be refused."""
    if value is not None and value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX:
        return int(value)
    return value


def _is_local(origin: str) -> bool:
    if origin == _NO_PLACE:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.hostname in _LOOPBACK and not parts.path
