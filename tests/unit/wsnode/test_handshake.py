"""The handshake: what is refused before the upgrade, and with which status."""

from typing import Any

import pytest

from shared.auth.tokens import issue, verify
from shared.config import Settings, load
from shared.errors import AppError
from shared.redis.streams import Since
from wsnode.handshake import Accepted, Request, decide, redacted

NOW = 1_760_000_000_000
SECRET = "k1:Zm9QhR2vXk7tLw4nPc8sYd3bGj6uEa5o"
HEADERS = {
    "upgrade": "websocket",
    "connection": "keep-alive, Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def made(**settings: str) -> Settings:
    return load({"BELLHOP_JWT_SECRETS": SECRET} | {f"BELLHOP_{k.upper()}": v for k, v in settings.items()})


SETTINGS = made()
TOKEN = issue(SETTINGS, user="ana", app="main", ttl=60, now=NOW)


def ask(*, settings: Settings = SETTINGS, without: str = "", **fields: Any) -> Accepted:
    headers = {
        name: value for name, value in (HEADERS | fields.pop("headers", {})).items() if name != without
    }
    request = {"method": "GET", "version": "HTTP/1.1", "path": "/ws", "query": ""} | fields
    return decide(
        Request(headers=headers, **request),
        settings,
        identify=lambda credential: verify(settings, credential.token or "", now=NOW),
    )


def status(**fields: Any) -> int:
    with pytest.raises(AppError) as caught:
        ask(**fields)
    return caught.value.status


def test_the_key_of_the_rfc_gives_its_accept():
    assert ask().accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"path": "/other"}, 404),
        ({"method": "POST"}, 405),
        ({"without": "upgrade"}, 426),
        ({"without": "connection"}, 400),
        ({"version": "HTTP/1.0"}, 400),
        ({"without": "sec-websocket-version"}, 426),
        ({"headers": {"sec-websocket-version": "8"}}, 426),
        ({"without": "sec-websocket-key"}, 400),
        ({"headers": {"sec-websocket-key": "abc"}}, 400),
        ({"headers": {"sec-websocket-key": "é"}}, 400),
        ({"headers": {"sec-websocket-key": "c2hvcnQ="}}, 400),
        ({"headers": {"content-length": "5"}}, 400),
    ],
)
def test_what_is_no_handshake(fields: dict[str, Any], expected: int):
    assert status(**fields) == expected


def test_without_a_credential_the_first_message_must_bring_it():
    found = ask()
    assert (found.principal, found.sign_in) == (None, "message")


@pytest.mark.parametrize(
    ("fields", "way"),
    [
        ({"headers": {"authorization": f"Bearer {TOKEN}"}}, "header"),
        ({"headers": {"authorization": f"bearer {TOKEN}"}}, "header"),
        ({"headers": {"sec-websocket-protocol": f"bellhop.v1, bearer.{TOKEN}"}}, "subprotocol"),
        ({"query": f"token={TOKEN}"}, "query"),
    ],
)
def test_ways_in(fields: dict[str, Any], way: str):
    found = ask(**fields)
    assert found.principal is not None
    assert (found.principal.user, found.sign_in) == ("ana", way)


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"authorization": "Bearer nonsense"}},
        {"headers": {"authorization": "Basic YTpi"}},
        {"headers": {"authorization": "Bearer"}},
        {"headers": {"sec-websocket-protocol": "bellhop.v1, bearer.nonsense"}},
        {"query": "token="},
        {"query": "token=nonsense"},
        {
            "headers": {
                "authorization": f"Bearer {issue(SETTINGS, user='ana', app='main', ttl=1, now=NOW - 60_000)}"
            }
        },
    ],
)
def test_a_bad_credential_is_401(fields: dict[str, Any]):
    assert status(**fields) == 401


def test_a_token_in_the_address_can_be_forbidden():
    assert status(query=f"token={TOKEN}", settings=made(query_token="false")) == 401


def test_only_our_subprotocol_is_echoed_and_never_the_token():
    assert ask(headers={"sec-websocket-protocol": f"bearer.{TOKEN}"}).subprotocol is None
    assert ask(headers={"sec-websocket-protocol": "chat, bellhop.v1"}).subprotocol == "bellhop.v1"
    assert ask(headers={"sec-websocket-protocol": "bellhop.v10"}).subprotocol is None


def test_since_comes_in_the_query():
    found = ask(query=f"token={TOKEN}&epoch=e1&me=5&all=0")
    assert found.since == Since("e1", 5, 0)


@pytest.mark.parametrize(
    "query", ["me=x", "me=-1", "me=1.5", "all=", "me=99999999999999999999", "epoch=" + "e" * 65]
)
def test_a_since_that_is_not_understood_is_422(query: str):
    assert status(query=query, headers={"authorization": f"Bearer {TOKEN}"}) == 422


def test_a_query_of_many_fields_is_refused():
    assert status(query="&".join("a=1" for _ in range(50))) == 422


PRODUCTION = made(profile="production", origins="https://app.example.com", flower_password="pT7kVn2cRz9wQx4m")


@pytest.mark.parametrize(
    ("origin", "settings", "allowed"),
    [
        ("https://app.example.com", PRODUCTION, True),
        ("https://app.example.com.evil.org", PRODUCTION, False),
        ("https://evil.org", PRODUCTION, False),
        ("http://app.example.com", PRODUCTION, False),
        ("https://app.example.com:8443", PRODUCTION, False),
        ("https://sub.app.example.com", PRODUCTION, False),
        ("HTTPS://APP.EXAMPLE.COM", PRODUCTION, False),
        ("https://user@app.example.com", PRODUCTION, False),
        ("null", PRODUCTION, False),
        ("", PRODUCTION, False),
        ("http://localhost:3000", PRODUCTION, False),
        ("http://localhost:3000", SETTINGS, True),
        ("http://127.0.0.1:8000", SETTINGS, True),
        ("http://[::1]:8000", SETTINGS, True),
        ("null", SETTINGS, True),
        ("http://localhost.evil.org", SETTINGS, False),
        ("http://[", SETTINGS, False),
        ("https://evil.org", made(origins="*"), True),
    ],
)
def test_origins(origin: str, settings: Settings, allowed: bool):
    headers = {"origin": origin}
    if allowed:
        assert ask(headers=headers, settings=settings)
    else:
        assert status(headers=headers, settings=settings) == 403


def test_a_program_sends_no_origin():
    assert ask(settings=PRODUCTION)


def test_the_log_shows_no_value_that_may_be_a_secret():
    shown = redacted("/ws", f"token={TOKEN}&me=5&ticket=abc&EIO=4")
    assert shown == "/ws?token=***&me=5&ticket=***&EIO=***"
    assert redacted("/ws", "") == "/ws"


def test_the_log_shows_no_name_that_is_not_ours_because_it_may_be_the_secret_itself():
    assert redacted("/ws", f"{TOKEN}&me=5&x=1") == "/ws?***=***&me=5&***=***"
    assert redacted("/ws", f"epoch=6402a73fe9f5b45f&all={TOKEN}") == "/ws?epoch=6402a73fe9f5b45f&all=***"
