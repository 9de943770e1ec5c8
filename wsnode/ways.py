"""Ways in: where in a handshake a credential stands, which one counts, and what a one-time ticket says. Pure.

The first that is there counts, those that somebody put there on purpose before the cookie, which a browser sends by
itself. Because it does, a cookie counts only for pages whose exact Origin is allowed (RFC 6455 section 10.2).
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from shared.auth.principal import Principal, user_principal
from shared.auth.tokens import TokenExpired, TokenInvalid
from shared.errors import Forbidden, Unauthenticated
from shared.redis.tickets import Ticket

SUBPROTOCOL: Final = "bellhop.v1"
SOCKET_PATH: Final = "/socket"
"""Where clients of an earlier design get in with their own forms besides."""

ACCESS_COOKIE: Final = "__Host-bellhop_access"
PLAIN_COOKIE: Final = "bellhop_access"
"""The same over plain HTTP, where no cookie can have the prefix: development only."""

SOCKET_COOKIE: Final = "auth_token"
QUERY_SECRETS: Final = ("ticket", "session", "token")
"""Names in the query that carry a secret; the log shows no value but those it knows to be harmless."""

_BEARER_PROTOCOL: Final = "bearer."


class WaySettings(Protocol):
    """The settings that decide which ways are open."""

    @property
    def profile(self) -> str:
        """`development` or `production`."""
        ...

    @property
    def query_token(self) -> bool:
        """Whether `?token=` is accepted."""
        ...

    @property
    def origins(self) -> Sequence[str]:
        """Origins of pages that may connect; `*` for every one that needs no cookie."""
        ...


class Brought(NamedTuple):
    """What a handshake brings; header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    query: Mapping[str, list[str]]


class Credential(NamedTuple):
    """A token or a ticket and the way it came; neither: the first message must bring one."""

    way: str
    token: str | None = None
    ticket: str | None = None
    echo: str | None = None
    """The subprotocol that the answer names."""


def find(brought: Brought, settings: WaySettings) -> Credential:
    """The credential that counts. Raises Unauthenticated, or Forbidden for a cookie from elsewhere."""
    offered = words(brought.headers.get("sec-websocket-protocol", ""))
    echo = SUBPROTOCOL if SUBPROTOCOL in offered else None
    found = (
        _header(brought)
        or _subprotocol(brought, offered, settings)
        or _query(brought, settings)
        or _cookie(brought, settings)
        or Credential("message")
    )
    return found._replace(echo=found.echo or echo)


def principal_of(ticket: Ticket | None, *, origin: str | None, now: int) -> Principal:
    """Whom a ticket that was just taken lets in, at `now` (epoch milliseconds).

    Raises TokenInvalid for none, TokenExpired, and Forbidden for a page that did not ask for it.
    """
    if ticket is None:
        raise TokenInvalid("This ticket was used, is too old, or never was.")
    if ticket.origin != origin:
        raise Forbidden("This ticket was given to another origin.")
    if ticket.expires_at <= now:
        raise TokenExpired
    return user_principal(
        app=ticket.app,
        user=ticket.user,
        scopes=ticket.scopes,
        expires_at=ticket.expires_at,
        session=ticket.session,
        issued_at=ticket.issued_at,
    )


def words(header: str, *, lower: bool = False) -> list[str]:
    """The parts of a header that is a list."""
    return [word.strip().lower() if lower else word.strip() for word in header.split(",") if word.strip()]


def _header(brought: Brought) -> Credential | None:
    scheme, _, value = brought.headers.get("authorization", "").strip().partition(" ")
    if not scheme:
        return None
    if scheme.lower() != "bearer" or not value.strip():
        raise Unauthenticated("Authorization is Bearer and a token.")
    return Credential("header", token=value.strip())


def _subprotocol(brought: Brought, offered: list[str], settings: WaySettings) -> Credential | None:
    """`bearer.<token>`; on /socket also the token alone, which is said again only where logs are nobody else's."""
    for word in offered:
        if word.startswith(_BEARER_PROTOCOL):
            return Credential("subprotocol", token=word.removeprefix(_BEARER_PROTOCOL))
    if brought.path == SOCKET_PATH and len(offered) == 1 and offered[0] != SUBPROTOCOL:
        echo = offered[0] if settings.profile == "development" else None
        return Credential("subprotocol", token=offered[0], echo=echo)
    return None


def _query(brought: Brought, settings: WaySettings) -> Credential | None:
    query = brought.query
    if "ticket" in query:
        return Credential("ticket", ticket=query["ticket"][0])
    if "session" in query and brought.path == SOCKET_PATH:
        return Credential("ticket", ticket=query["session"][0])
    if "token" not in query:
        return None
    if not settings.query_token:
        raise Unauthenticated("A token in the address is not accepted here.")
    return Credential("query", token=query["token"][0])


def _cookie(brought: Brought, settings: WaySettings) -> Credential | None:
    names = [ACCESS_COOKIE]
    if settings.profile == "development":
        names.append(PLAIN_COOKIE)
    if brought.path == SOCKET_PATH:
        names.append(SOCKET_COOKIE)
    cookies = _cookies(brought.headers.get("cookie", ""))
    token = next((cookies[name] for name in names if cookies.get(name)), None)
    if token is None:
        return None
    origin = brought.headers.get("origin")
    if origin is None or origin == "*" or origin not in settings.origins:
        raise Forbidden("This origin may not sign in with a cookie.")
    return Credential("cookie", token=token)


def _cookies(header: str) -> dict[str, str]:
    """Names and values; of two of a name the first, which has the longer path (RFC 6265 section 5.4)."""
    found: dict[str, str] = {}
    for pair in header.split(";"):
        name, equals, value = pair.partition("=")
        if equals:
            found.setdefault(name.strip(), value.strip().strip('"'))
    return found
