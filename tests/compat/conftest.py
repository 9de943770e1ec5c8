"""One running Bellhop for all contracts: the processes of the Procfile, as `make run` starts them."""

import functools
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from launcher.environment import ROOT
from launcher.system import Ports, System
from tests.compat.programs import Program, curl
from tests.e2e.http import Http
from tests.fixtures import npm
from tests.fixtures.absent import absent


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A web server of somebody's pages: its origin, and the folder that it shows."""
    folder = tmp_path_factory.mktemp("site")
    handler = functools.partial(Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}", folder
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Writes no log."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="package")
def bellhop(tmp_path_factory: pytest.TempPathFactory, site: tuple[str, Path]) -> Iterator[System]:
    """Two nodes, one api, on SQLite; the pages of `site` may come with cookies."""
    ports = Ports.free()
    origins = [f"http://127.0.0.1:{ports.api}", f"http://localhost:{ports.api}", site[0]]
    env = {
        "BELLHOP_LOG_FORMAT": "json",
        "BELLHOP_LOG_LEVEL": "debug",
        "BELLHOP_ORIGINS": ",".join(origins),
    }
    with System(tmp_path_factory.mktemp("compat"), ports=ports, env=env) as system:
        yield system


MOVED = {
    "BELLHOP_PROFILE": "production",
    "BELLHOP_QUERY_TOKEN": "true",
    "BELLHOP_USER_SCOPES": "messages:write,everyone:write",
    "BELLHOP_ORIGINS": "http://localhost:8080,https://yourapp.com",
    "BELLHOP_LIMIT_KEY": "100/15m",
    "BELLHOP_LIMIT_ADDRESS": "100/15m",
    "BELLHOP_SOCKET_LIMIT": "10/1m",
    "BELLHOP_PRESENCE_BROADCAST": "true",
}
"""What docs/compatibility.md tells those to set who move, with the examples of its table."""


@pytest.fixture(scope="package")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The same in production, as whoever moves there sets it up; tokens of accounts live for as short as they can."""
    env = {
        **MOVED,
        "BELLHOP_JWT_SECRETS": f"new:{secrets.token_hex(32)},old:{secrets.token_hex(32)}",
        "BELLHOP_FLOWER_PASSWORD": secrets.token_hex(16),
        "BELLHOP_ACCESS_LIFE": "10",
        "BELLHOP_TRUSTED_PROXIES": "127.0.0.1",
    }
    with System(tmp_path_factory.mktemp("production"), ports=Ports.free(), env=env) as system:
        yield system


@pytest.fixture(scope="package")
def production_key(production: System) -> str:
    """The first API key, made by the command of the page."""
    command = [sys.executable, "-m", "api.first_key"]
    done = subprocess.run(
        command, cwd=ROOT, env=production.environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="package")
def api(bellhop: System) -> str:
    """The address of the api."""
    return bellhop.url("api")


@pytest.fixture(scope="package")
def nodes(bellhop: System) -> tuple[str, str]:
    """The addresses of both nodes."""
    return bellhop.url("node", 0), bellhop.url("node", 1)


@pytest.fixture
def http(bellhop: System) -> Http:
    """A backend with the development API key."""
    return Http(bellhop.url("api"), bellhop.api_key)


@pytest.fixture(scope="package")
def node_program() -> str:
    """Node.js with npm `ws` and `socket.io-client`."""
    return npm.node_program()


@pytest.fixture
def node(node_program: str) -> Callable[[str], Program]:
    """`with node(code) as program:` runs a snippet."""
    return lambda code: Program(node_program, code)


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], tuple[int, Any]]:
    """`shell(line)` runs a line with curl; status and body."""
    if shutil.which("curl") is None:
        absent("curl is not installed")
    return lambda line: curl(line, tmp_path)


@pytest.fixture
def page(browser: Browser, api: str) -> Iterator[Page]:
    """A window on a page of the api; `frames_`, `opened_` and `said_` are what its WebSockets and logs were."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{api}/console")
    page.evaluate("""() => {
        globalThis.frames_ = []; globalThis.said_ = []; globalThis.opened_ = [];
        const say = (...words) => said_.push(JSON.parse(JSON.stringify(words)));
        console.log = say; console.error = say;
        globalThis.WebSocket = class extends WebSocket {
            constructor(...given) {
                super(...given);
                opened_.push(given[0]);
                this.addEventListener("open", () => frames_.push("open"));
                this.addEventListener("message", (event) => frames_.push(JSON.parse(event.data)));
                this.addEventListener("close", (event) => frames_.push(`closed ${event.code}`));
            }
        };
    }""")
    yield page
    context.close()
