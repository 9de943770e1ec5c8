"""api.resources.sign_in: anybody on this machine, and nobody through the browser of somebody on this machine."""

import pytest

from api.resources.sign_in import SCOPES
from shared.auth import tokens
from tests.unit.api.app import FakeApp
from tests.unit.api.fakes import NOW

PATH = "/v1/dev/sign-in"


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


def sign_in(app: FakeApp, *, host: str = "localhost:8000", address: str = "127.0.0.1", **headers: str):
    return app.client.simulate_post(
        PATH, json={"user": "ana"}, headers={"Host": host, **headers}, remote_addr=address
    )


def test_a_name_becomes_a_token_with_the_nodes_under_the_same_host(app):
    result = sign_in(app)

    who = tokens.verify(app.settings, result.json["token"], now=NOW)
    assert (who.user, who.app) == ("ana", "main")
    assert who.scopes == {"inbox:read", "inbox:write", *SCOPES, *app.settings.user_scopes}
    assert result.json["expires_in"] == app.settings.token_ttl
    assert result.json["nodes"] == ["ws://localhost:8001/ws", "ws://localhost:8002/ws"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"])
def test_the_names_of_this_machine_are_taken(app, host):
    assert sign_in(app, host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io:8000",
        "localhost:8000@evil",
        "10.0.0.1",
        "",
    ],
)
def test_a_host_that_only_resolves_to_this_machine_is_refused(app, host):
    assert sign_in(app, host=host).status_code == 403


@pytest.mark.parametrize("address", ["10.0.0.1", "8.8.8.8", "::ffff:10.0.0.1", ""])
def test_another_machine_is_refused(app, address):
    assert sign_in(app, address=address).status_code == 403


@pytest.mark.parametrize("address", ["127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_every_loopback_address_is_this_machine(app, address):
    assert sign_in(app, address=address).status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_a_proxy_in_between_hides_who_asks(app, header):
    assert sign_in(app, **{header: "10.0.0.1"}).status_code == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8000", 200),
        ("http://localhost:3000", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_a_page_of_another_origin_is_refused(app, origin, status):
    assert sign_in(app, Origin=origin).status_code == status


def test_a_name_keeps_the_rules_of_user_ids(app):
    result = app.client.simulate_post(
        PATH, json={"user": " "}, headers={"Host": "localhost"}, remote_addr="127.0.0.1"
    )

    assert result.status_code == 422
