"""D22: after everybody has signed in by every way, no secret stands in a log, a metric, a database or Redis's file.

The control is the search itself: it must find what is planted, or finding nothing would mean nothing.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from launcher.system import Ports, System
from tests.e2e.device import wait_until
from tests.e2e.http import Http
from tests.integration.wsnode.client import Client, Closed, Refused

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PASSWORD = "marked-password-Zq7-of-this-run"
WRONG = "marked-wrong-password-Zq8"
MARKED = "marked.secret.Zq9.that-is-no-token"
KNOWN_PLACES = ("secrets", "dev_api_key")
"""Files that are there to hold a secret, readable by their owner only."""


@pytest.fixture(scope="module")
def bellhop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    env = {"BELLHOP_LOG_FORMAT": "json", "BELLHOP_LOG_LEVEL": "debug"}
    with System(tmp_path_factory.mktemp("secrets"), ports=Ports.free(), env=env) as system:
        yield system


@pytest.fixture(scope="module")
def used(bellhop: System) -> dict[str, str]:
    """Every secret that was in use, by what it was, after all of them were sent everywhere they could be."""
    http, nobody = Http(bellhop.url("api"), bellhop.api_key), Http(bellhop.url("api"), "")
    name = {"username": "ana-of-secrets", "password": PASSWORD}
    assert nobody.post("/v1/auth/register", name).status == 201
    assert nobody.post("/v1/auth/login", name | {"password": WRONG}).status == 401
    signed_in = nobody.post("/v1/auth/login", name)
    first = signed_in.body
    second = nobody.post("/v1/auth/refresh", {"refresh": first["refresh"]}).body
    ana = Http(bellhop.url("api"), second["access"])
    tickets = [ana.post("/v1/auth/ws-ticket", {}).body["ticket"] for _ in range(2)]
    session = nobody.post("/auth", name).body["sessionId"]
    found = {
        "API key": bellhop.api_key,
        "password": PASSWORD,
        "wrong password": WRONG,
        "marked": MARKED,
        "access": second["access"],
        "first access": first["access"],
        "refresh": second["refresh"],
        "first refresh": first["refresh"],
        "ticket": tickets[0],
        "unused ticket": tickets[1],
        "session of /socket": session,
        "token": bellhop.token("ana-of-secrets"),
        "signing key": bellhop.settings.jwt_secrets.get_secret_value().partition(":")[2],
        "Flower's password": bellhop.settings.flower_password.get_secret_value(),
    }
    _knock(bellhop, found)
    _ask(http, nobody, found)
    return {what: secret for what, secret in found.items() if secret}


def _knock(bellhop: System, found: dict[str, str]) -> None:
    """Each secret by each way into a node, also those that are refused."""
    port = int(bellhop.url("node").rpartition(":")[2])
    for secret in (found["ticket"], found["token"], found["access"], MARKED):
        for path in (
            f"/ws?ticket={secret}",
            f"/ws?token={secret}",
            f"/socket?session={secret}",
            f"/none?key={secret}",
        ):
            _open(port, path=path)
        _open(port, token=secret)
        _open(port, headers={"Sec-WebSocket-Protocol": f"bellhop.v1, bearer.{secret}"})
        _open(port, path="/socket", headers={"Sec-WebSocket-Protocol": secret})
        _open(
            port,
            path="/socket",
            headers={"Cookie": f"auth_token={secret}", "Origin": "http://127.0.0.1:8000"},
        )
        _open(port, path="/ws", first={"type": "auth", "token": secret})
        _open(port, path=f"/socket.io/?EIO=4&transport=websocket&token={secret}")
    _open(port, path=f"/socket?session={found['session of /socket']}")


def _open(port: int, *, first: dict[str, Any] | None = None, **options: Any) -> None:
    with suppress(Refused, Closed, OSError, ValueError), Client(port, timeout=3, **options) as client:
        if first is not None:
            client.send(**first)
        client.read()


def _ask(http: Http, nobody: Http, found: dict[str, str]) -> None:
    """Secrets where they do not belong: addresses, bodies of other routes, headers, names with line ends."""
    for secret in (found["API key"], found["token"], MARKED):
        Http(http.base, secret).get("/v1/users/someone")
        nobody.get(f"/v1/users/someone?token={secret}")
        nobody.get(f"/nowhere?apiKey={secret}", cookie=f"auth_token={secret}")
        nobody.post("/webhook/notify", {"recipientId": "ana-of-secrets", "message": "hi", "apiKey": secret})
        nobody.post("/logout", {"token": secret})
        nobody.post("/v1/auth/refresh", {"refresh": secret})
    http.get("/v1/users/a%0d%0a%7b%22level%22%3a%22forged%22%7d")
    http.post(
        "/v1/notifications",
        {"to": {"users": ["ana-of-secrets"]}, "event": "one", "data": {"text": 'a\r\n{"level": "forged"}'}},
    )


def places(bellhop: System) -> dict[str, bytes]:
    """Everything that was written down, and what the processes tell of themselves."""
    files = [path for path in bellhop.data.path.rglob("*") if path.is_file()]
    kept = {
        str(path.relative_to(bellhop.data.path)): path.read_bytes()
        for path in files
        if not any(part in KNOWN_PLACES for part in path.relative_to(bellhop.data.path).parts)
    }
    told = {
        f"/metrics of {name}": _metrics(bellhop, name) for name in ("api", "node", "worker", "worker_bulk")
    }
    return {**kept, **told}


def _metrics(bellhop: System, name: str) -> bytes:
    return json.dumps(Http(bellhop.url(name), "").get("/metrics").body).encode()


def holding(secret: str, where: dict[str, bytes]) -> list[str]:
    return sorted(name for name, content in where.items() if secret.encode() in content)


def test_no_secret_is_written_down(bellhop: System, used: dict[str, str]):
    logs = bellhop.data.path / "logs"
    wait_until(lambda: "connection_closed" in _text(logs / "node.0.log"), 10, "the node has logged")

    where = places(bellhop)

    assert {name for name in where if name.endswith(".log")} >= {
        "logs/api.log",
        "logs/node.0.log",
        "logs/worker.log",
    }
    assert {what: found for what, secret in used.items() if (found := holding(secret, where))} == {}


def test_the_search_finds_what_is_planted(bellhop: System, used: dict[str, str]):
    planted = bellhop.data.path / "logs" / "planted.log"
    planted.write_text(f"token={used['access']}\n")
    try:
        assert holding(used["access"], places(bellhop)) == ["logs/planted.log"]
    finally:
        planted.unlink()


def test_line_ends_in_names_forge_no_line(bellhop: System, used: dict[str, str]):
    lines = [line for line in _text(bellhop.data.path / "logs" / "api.log").splitlines() if line.strip()]

    ours = [line for line in lines if line.startswith("{")]
    assert ours
    assert not [line for line in ours if json.loads(line).get("level") == "forged"]


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
