"""Signing in by cookie as a browser sees it: the production profile behind nginx with TLS, real Chromium before it.

A page of another origin is one whose content the test gives the browser; what it may send and what it is told is the
browser's business and that of the servers behind the one public port.
"""

import json
import secrets
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from launcher.system import Ports, System
from tests.deploy.edge import Edge, Places, encrypting
from tests.e2e.device import wait_until
from tests.integration.wsnode.client import Client, Refused

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(180)]

PASSWORD = "a long pass phrase of a browser"
COOKIES = {"__Host-bellhop_access", "__Host-bellhop_refresh"}
ASK = """async ([path, body]) => {
  const options = {method: "POST", headers: {"Content-Type": "application/json"}, body: body && JSON.stringify(body)};
  const answer = await fetch(path, options);
  return [answer.status, answer.status === 204 ? null : await answer.json()];
}"""
STEAL = """async (address) => {
  try { await fetch(address, {method: "POST", mode: "no-cors", credentials: "include"}); } catch (error) {}
}"""
"""What any page may send to anybody, without being told the answer."""
CONNECT = """(address) => {
  window.heard = [];
  const socket = new WebSocket(address);
  socket.onmessage = (message) => window.heard.push(JSON.parse(message.data).type);
  socket.onclose = (end) => window.heard.push(end.code);
}"""


@dataclass
class Production:
    """A Bellhop in production behind its TLS edge."""

    system: System
    edge: Edge

    @property
    def origin(self) -> str:
        return f"https://127.0.0.1:{self.edge.tls_port}"

    def answered(self, path: str) -> list[int]:
        """The statuses of all requests of a path, as nginx noted them."""
        return [line["status"] for line in self.edge.lines() if line["path"] == path]

    def next(self, path: str, act: Callable[[], Any]) -> int:
        """The status of the request that is made meanwhile."""
        before = len(self.answered(path))
        act()
        wait_until(lambda: len(self.answered(path)) > before, 15, f"a request of {path}")
        return self.answered(path)[before]


@pytest.fixture(scope="module")
def production(
    tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]
) -> Iterator[Production]:
    ports = Ports.free()
    places = Places((ports.api, ports.api), (ports.node, ports.node + 1), ports.flower)
    edge = encrypting(places, certificate)
    env = {
        "BELLHOP_PROFILE": "production",
        "BELLHOP_JWT_SECRETS": f"k1:{secrets.token_urlsafe(48)}",
        "BELLHOP_FLOWER_PASSWORD": secrets.token_urlsafe(24),
        "BELLHOP_TRUSTED_PROXIES": "127.0.0.1",
        "BELLHOP_ORIGINS": f"https://127.0.0.1:{edge.tls_port}",
        "BELLHOP_REGISTRATION": "true",
        "BELLHOP_LOG_FORMAT": "json",
    }
    data = tmp_path_factory.mktemp("production")
    only = ("api", "node", "worker", "worker_bulk")
    with System(data, ports=ports, env=env, only=only) as system, edge:
        yield Production(system, edge)


@pytest.fixture
def window(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has never been here and takes the certificate of these tests."""
    context = browser.new_context(ignore_https_errors=True)
    context.set_default_timeout(15_000)
    yield context
    context.close()


@pytest.fixture
def page(window: BrowserContext, production: Production) -> Page:
    """A page of the one origin."""
    page = window.new_page()
    page.goto(f"{production.origin}/docs")
    return page


def ask(page: Page, path: str, body: object = None) -> tuple[int, Any]:
    status, answer = page.evaluate(ASK, [path, body])
    return status, answer


def sign_in(page: Page, name: str) -> None:
    who = {"username": name, "password": PASSWORD}
    assert ask(page, "/v1/auth/register", who)[0] == 201
    assert ask(page, "/v1/auth/login", who)[0] == 200


def jar(window: BrowserContext) -> dict[str, str]:
    return {cookie["name"]: cookie["value"] for cookie in window.cookies()}


def hears(page: Page, what: object) -> None:
    # The page's policy forbids what playwright's own waiting would run in it.
    wait_until(lambda: what in page.evaluate("window.heard"), 15, f"{what} is heard")


class Blank(BaseHTTPRequestHandler):
    """A page of somebody else, with nothing on it and no policy of its own."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere(certificate: tuple[Path, Path]) -> Iterator[int]:
    """The port of somebody else's server on this machine, with TLS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_the_cookies_are_the_hosts_own_for_tls_alone_and_hidden_from_scripts(
    page: Page, window: BrowserContext
):
    sign_in(page, "cookie-1")
    cookies = {cookie["name"]: cookie for cookie in window.cookies()}
    assert set(cookies) == COOKIES
    for cookie in cookies.values():
        assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
        assert (cookie["domain"], cookie["path"]) == ("127.0.0.1", "/")
    assert page.evaluate("document.cookie") == ""


def test_a_session_is_refreshed_used_and_ended_by_cookie(
    page: Page, window: BrowserContext, production: Production
):
    sign_in(page, "cookie-2")
    before = jar(window)
    status, answer = ask(page, "/v1/auth/refresh")
    assert (status, answer["user"]) == (200, "cookie-2")
    after = jar(window)
    assert set(after) == COOKIES
    assert after["__Host-bellhop_refresh"] != before["__Host-bellhop_refresh"]

    page.evaluate(CONNECT, f"wss://127.0.0.1:{production.edge.tls_port}/ws")
    hears(page, "welcome")
    assert ask(page, "/v1/auth/logout")[0] == 204
    hears(page, 4001)
    assert jar(window) == {}
    assert ask(page, "/v1/auth/refresh")[0] == 401


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        # The same site, since a port is no part of one: the browser sends the cookie.
        ("127.0.0.1", 403),
        # Another site: `SameSite=Strict` keeps it back.
        ("localhost", 401),
    ],
    ids=["another origin", "another site"],
)
def test_a_page_of_another_origin_refreshes_ends_and_connects_nothing(
    page: Page, window: BrowserContext, production: Production, elsewhere: int, host: str, refused: int
):
    sign_in(page, f"cookie-{refused}")
    kept = jar(window)
    attacker = window.new_page()
    attacker.goto(f"https://{host}:{elsewhere}/")
    for path in ("/v1/auth/refresh", "/v1/auth/logout"):
        address = f"{production.origin}{path}"
        assert production.next(path, lambda address=address: attacker.evaluate(STEAL, address)) == refused
    socket = f"wss://127.0.0.1:{production.edge.tls_port}/ws"
    assert production.next("/ws", lambda: attacker.evaluate(CONNECT, socket)) == 403
    hears(attacker, 1006)
    assert attacker.evaluate("window.heard") == [1006]

    assert jar(window) == kept
    assert ask(page, "/v1/auth/refresh")[0] == 200, "whose session it is goes on"


def test_the_cookie_of_a_page_is_nobody_elses_who_brings_it_along(
    page: Page, window: BrowserContext, production: Production
):
    """Not even with the right one: without the `Origin` that a browser writes it lets nobody in at a node."""
    sign_in(page, "cookie-3")
    cookie = f"__Host-bellhop_access={jar(window)['__Host-bellhop_access']}"
    port = production.edge.places.nodes[0]
    for origin in ({}, {"Origin": production.origin.upper()}, {"Origin": f"{production.origin}.example"}):
        with pytest.raises(Refused):
            Client(port, headers={"Cookie": cookie, **origin})
    with Client(port, headers={"Cookie": cookie, "Origin": production.origin}) as own:
        assert own.wait("welcome")["user"] == "cookie-3"


def test_over_http_the_cookies_do_not_go_along(
    production: Production, certificate: tuple[Path, Path], tmp_path: Path
):
    """By curl and under a name, since Chromium takes an address of this machine for safe enough."""
    kept, name = tmp_path / "jar", "bell.example"
    edge = production.edge
    who = json.dumps({"username": "cookie-4", "password": PASSWORD})
    same = ("-H", "Content-Type: application/json", "-H", "Sec-Fetch-Site: same-origin")

    def curl(url: str, *more: str) -> str:
        reach = (
            "--resolve",
            f"{name}:{edge.tls_port}:127.0.0.1",
            "--resolve",
            f"{name}:{edge.port}:127.0.0.1",
        )
        # The certificate is that of the address.
        command = ["curl", "-sSvk", "-b", str(kept), "-c", str(kept), *reach, *more, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        return done.stderr + done.stdout

    secure, plain = f"https://{name}:{edge.tls_port}", f"http://{name}:{edge.port}"
    assert "201" in curl(f"{secure}/v1/auth/register", *same, "-d", who)
    curl(f"{secure}/v1/auth/login", *same, "-d", who)
    assert kept.read_text().count("__Host-bellhop_") == 2

    answer = curl(f"{plain}/v1/auth/refresh", *same, "-X", "POST")
    assert "< HTTP/1.1 308" in answer
    assert "__Host-bellhop_" not in answer
    answer = curl(f"{secure}/v1/auth/refresh", *same, "-X", "POST")
    assert "> Cookie: __Host-bellhop_" in answer
    assert '"user":"cookie-4"' in answer
    assert "< HTTP/1.1 204" in (answer := curl(f"{secure}/v1/auth/logout", *same, "-X", "POST")), answer
    assert answer.count("=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict") == 2
    assert "< HTTP/1.1 401" in curl(f"{secure}/v1/auth/refresh", *same, "-X", "POST")
