"""Ways in: which credential of a handshake counts, where each is taken, and the matrix of Origins (drill D21)."""

from typing import Any

import pytest

from shared.auth.tokens import TokenExpired, TokenInvalid
from shared.config import Settings, load
from shared.errors import AppError, Forbidden, Unauthenticated
from shared.redis.tickets import Ticket
from wsnode.handshake import check_origin
from wsnode.ways import Brought, Credential, find, principal_of

NOW = 1_760_000_000_000
ALLOWED = "https://app.example.com"
SECRET = "Zm9QhR2vXk7tLw4nPc8sYd3bGj6uEa5o"


def made(**settings: str) -> Settings:
    given = {"jwt_secrets": f"k1:{SECRET}", "origins": ALLOWED} | settings
    return load({f"BELLHOP_{name.upper()}": value for name, value in given.items()})


DEVELOPMENT = made()
PRODUCTION = made(profile="production", flower_password="pT7kVn2cRz9wQx4m")


def way(
    settings: Settings = DEVELOPMENT, *, path: str = "/ws", query: Any = None, **headers: str
) -> Credential:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return find(Brought(path, named, query or {}), settings)


def test_the_first_that_somebody_put_there_counts_and_the_cookie_last():
    cookie = {"cookie": "bellhop_access=c", "origin": ALLOWED}
    query = {"ticket": ["t"], "token": ["q"]}
    offered = {"sec_websocket_protocol": "bellhop.v1, bearer.s"}

    everything = way(query=query, authorization="Bearer h", **offered, **cookie)
    assert (everything.way, everything.token, everything.echo) == ("header", "h", "bellhop.v1")
    assert way(query=query, **offered, **cookie).token == "s"
    assert way(query=query, **cookie)[:3] == ("ticket", None, "t")
    assert way(query={"token": ["q"]}, **cookie)[:2] == ("query", "q")
    assert way(**cookie)[:2] == ("cookie", "c")
    assert way() == Credential("message")


def test_a_token_in_the_address_is_not_accepted_in_production_but_a_ticket_is():
    with pytest.raises(Unauthenticated):
        way(PRODUCTION, query={"token": ["q"]})
    assert way(PRODUCTION, query={"ticket": ["t"]}).ticket == "t"
    assert way(made(query_token="false"), query={"ticket": ["t"]}).ticket == "t"


def test_the_cookie_without_its_prefix_is_for_development_only():
    for name in ("bellhop_access", "__Host-bellhop_access"):
        assert way(cookie=f"other=1; {name}=c", origin=ALLOWED).token == "c"
    assert way(PRODUCTION, cookie="bellhop_access=c", origin=ALLOWED) == Credential("message")
    assert way(PRODUCTION, cookie="__Host-bellhop_access=c", origin=ALLOWED).token == "c"
    assert way(cookie="bellhop_access=; auth_token=c", origin=ALLOWED) == Credential("message")


def test_socket_takes_the_forms_of_its_design_and_others_do_not():
    assert way(path="/socket", query={"session": ["t"]}).ticket == "t"
    assert way(path="/socket", cookie="auth_token=c", origin=ALLOWED).token == "c"
    assert way(path="/socket", sec_websocket_protocol="a.b.c")[:2] == ("subprotocol", "a.b.c")
    for path in ("/ws", "/"):
        assert way(path=path, query={"session": ["t"]}) == Credential("message")
        assert way(path=path, cookie="auth_token=c", origin=ALLOWED) == Credential("message")
        assert way(path=path, sec_websocket_protocol="a.b.c") == Credential("message")


def test_a_bare_token_is_echoed_in_development_only_and_bearer_never():
    assert way(path="/socket", sec_websocket_protocol="a.b.c").echo == "a.b.c"
    assert way(PRODUCTION, path="/socket", sec_websocket_protocol="a.b.c").echo is None
    for path in ("/ws", "/socket"):
        assert way(path=path, sec_websocket_protocol="bearer.a.b.c").echo is None
        assert way(path=path, sec_websocket_protocol="bellhop.v1, bearer.a.b.c").echo == "bellhop.v1"
        assert way(path=path, sec_websocket_protocol="bellhop.v1")[:2] == ("message", None)
    assert way(path="/socket", sec_websocket_protocol="chat, a.b.c").token is None


ORIGINS = [
    None,
    "",
    "null",
    "*",
    "app.example.com",
    "//app.example.com",
    "http://app.example.com",
    "ws://app.example.com",
    "wss://app.example.com",
    "file://",
    "HTTPS://app.example.com",
    "https://APP.example.com",
    "https://app.example.com.",
    "https://app.example.com/",
    "https://app.example.com/path",
    "https://app.example.com:443",
    "https://app.example.com:8443",
    "https://app.example.com.evil.org",
    "https://evil.org/https://app.example.com",
    "https://evil.org?https://app.example.com",
    "https://evil.org#https://app.example.com",
    "https://evilapp.example.com",
    "https://sub.app.example.com",
    "https://example.com",
    "https://app-example.com",
    "https://app.example.com@evil.org",
    "https://user@app.example.com",
    "https://user:password@app.example.com",
    "https://\u0430pp.example.com",
    "https://xn--pp-6kc.example.com",
    "https://app.example.com, https://evil.org",
    "https://app.example.com\thttps://evil.org",
    "https://localhost",
    "http://127.0.0.1:8000",
]
BRINGS: dict[str, dict[str, Any]] = {
    "cookie": {"cookie": "__Host-bellhop_access=c"},
    "ticket": {"query": {"ticket": ["t"]}},
    "bearer": {"authorization": "Bearer b"},
}


def enters(origin: str | None, brings: str, settings: Settings) -> bool:
    """Whether a handshake from that page gets as far as the question whose the credential is."""
    try:
        check_origin(origin, settings)
        way(settings, **BRINGS[brings], **({} if origin is None else {"origin": origin}))
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize("brings", BRINGS)
@pytest.mark.parametrize("origin", ORIGINS)
def test_only_allowlisted_pages_get_in_and_programs_without_a_cookie(origin: str | None, brings: str):
    assert enters(ALLOWED, brings, PRODUCTION)
    assert enters(origin, brings, PRODUCTION) is (origin is None and brings != "cookie")


def test_the_star_and_local_pages_of_development_never_count_for_cookies():
    everybody = made(origins="*")
    for origin in ("https://evil.org", "http://localhost:3000", "*", "null"):
        assert enters(origin, "bearer", everybody)
        assert not enters(origin, "cookie", everybody)
    assert enters("http://localhost:3000", "bearer", DEVELOPMENT)
    assert not enters("http://localhost:3000", "cookie", DEVELOPMENT)


TICKET = Ticket("shop", "ana", ("messages:write",), "s1", NOW - 5, NOW + 60_000, ALLOWED)


def test_a_ticket_says_whom_it_lets_in():
    who = principal_of(TICKET, origin=ALLOWED, now=NOW)
    assert (who.app, who.user, who.session, who.issued_at) == ("shop", "ana", "s1", NOW - 5)
    assert who.expires_at == NOW + 60_000
    assert who.may("messages:write")


@pytest.mark.parametrize(
    ("ticket", "origin", "now", "error"),
    [
        (None, ALLOWED, NOW, TokenInvalid),
        (TICKET, None, NOW, Forbidden),
        (TICKET, "https://other.example.com", NOW, Forbidden),
        (TICKET, ALLOWED, NOW + 60_000, TokenExpired),
    ],
)
def test_a_ticket_lets_in_once_in_time_and_the_page_that_asked(ticket, origin, now, error: type[AppError]):
    with pytest.raises(error):
        principal_of(ticket, origin=origin, now=now)
