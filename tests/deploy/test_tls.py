"""TLS at nginx, with a certificate made here: wss, HSTS, the way from http, and what is too old to be spoken."""

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import websocket

from tests.deploy.conftest import Behind
from tests.deploy.edge import Edge, encrypting
from tests.e2e.device import wait_until
from tests.e2e.http import Http

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def tls(behind: Behind, certificate: tuple[Path, Path]) -> Iterator[Edge]:
    """The public port with TLS."""
    with encrypting(behind.places, certificate) as edge:
        yield edge


def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[0]))


def exchange(sock: socket.socket, path: str) -> str:
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    return b"".join(iter(lambda: sock.recv(65536), b"")).decode()


def https(edge: Edge, context: ssl.SSLContext, path: str) -> tuple[str, str | None]:
    """The whole answer, and the version of TLS."""
    with (
        socket.create_connection(("127.0.0.1", edge.tls_port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as secured,
    ):
        return exchange(secured, path), secured.version()


def test_a_notification_arrives_over_wss(
    tls: Edge, behind: Behind, certificate: tuple[Path, Path], edge: Edge
):
    client = websocket.create_connection(
        f"wss://127.0.0.1:{tls.tls_port}/ws",
        header=[f"Authorization: Bearer {behind.system.token('tls-1')}"],
        sslopt={"ca_certs": str(certificate[0])},
        timeout=15,
    )
    try:
        assert '"welcome"' in client.recv()
        sent = Http(edge.url, behind.system.api_key).notify("tls-1")
        while sent not in client.recv():
            pass
    finally:
        client.close()


def test_somebody_signs_in_refreshes_by_cookie_and_connects_with_a_ticket_and_nginx_notes_none_of_it(
    tls: Edge, behind: Behind, certificate: tuple[Path, Path]
):
    base, origin = f"https://127.0.0.1:{tls.tls_port}", {"Sec-Fetch-Site": "same-origin"}
    with requests.Session() as browser:
        browser.trust_env, browser.verify = False, str(certificate[0])
        who = {"username": "tls-2", "password": "a long pass phrase"}
        assert browser.post(f"{base}/v1/auth/register", json=who, timeout=15).status_code == 201
        signed_in = browser.post(f"{base}/v1/auth/login", json=who, headers=origin, timeout=15)
        (cookie,) = [one for one in browser.cookies if one.name.endswith("bellhop_refresh")]

        refreshed = browser.post(f"{base}/v1/auth/refresh", headers=origin, timeout=15)
        assert refreshed.status_code == 200, "the cookie alone"
        bearer = {"Authorization": f"Bearer {refreshed.json()['access']}"}
        ticket = browser.post(f"{base}/v1/auth/ws-ticket", headers=bearer, timeout=15).json()["ticket"]
        client = websocket.create_connection(
            f"wss://127.0.0.1:{tls.tls_port}/ws?ticket={ticket}",
            sslopt={"ca_certs": str(certificate[0])},
            suppress_origin=True,
            timeout=15,
        )
        assert '"user":"tls-2"' in client.recv()
        client.close()

    ended = [("/ws", 101)]
    wait_until(
        lambda: [(line["path"], line["status"]) for line in tls.lines()][-1:] == ended, 5, "the last line"
    )
    for secret in (
        who["password"],
        cookie.value,
        signed_in.json()["access"],
        bearer["Authorization"],
        ticket,
    ):
        assert secret not in tls.log


@pytest.mark.parametrize("encrypted", [True, False], ids=["https", "http"])
def test_the_cookie_that_keeps_a_session_at_its_node_is_set_once_and_fits_the_scheme(
    tls: Edge, edge: Edge, behind: Behind, certificate: tuple[Path, Path], encrypted: bool
):
    """Pages of another origin keep it with `SameSite=None` alone, which browsers take over TLS only."""
    with requests.Session() as browser:
        browser.trust_env, browser.verify = False, str(certificate[0])
        base = f"https://127.0.0.1:{tls.tls_port}" if encrypted else edge.url
        opened = browser.get(f"{base}/socket.io/?EIO=4&transport=polling", timeout=15)
        sid = re.search(r'"sid":"((\d+)\.[^"]+)"', opened.text)
        assert sid is not None, opened.text
        end = "SameSite=None; Secure" if encrypted else "SameSite=Lax"
        assert opened.headers["Set-Cookie"] == f"bellhop_node={sid[2]}; Path=/socket.io/; HttpOnly; {end}"
        later = browser.post(f"{base}/socket.io/?EIO=4&transport=polling&sid={sid[1]}", data="41", timeout=15)
        assert "Set-Cookie" not in later.headers


@pytest.mark.parametrize(
    "path", ["/health", "/ws", "/socket.io/?EIO=4&transport=polling", "/flower/", "/metrics"]
)
def test_every_answer_says_that_only_https_is_to_be_used(
    tls: Edge, behind: Behind, certificate: tuple[Path, Path], path: str
):
    answer, version = https(tls, trusting(certificate), path)
    assert answer.count("Strict-Transport-Security: max-age=31536000\r\n") == 1
    assert version == "TLSv1.3"


def test_without_tls_nobody_is_told_so(edge: Edge):
    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as plain:
        assert "Strict-Transport-Security" not in exchange(plain, "/health")


def test_http_is_sent_to_https_with_method_path_and_query(tls: Edge, behind: Behind):
    with socket.create_connection(("127.0.0.1", tls.port), timeout=10) as plain:
        answer = exchange(plain, "/v1/inbox?limit=1")
    assert answer.startswith("HTTP/1.1 308")
    assert f"Location: https://127.0.0.1:{tls.tls_port}/v1/inbox?limit=1\r\n" in answer


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_and_weak_ciphers_are_refused(tls: Edge, certificate: tuple[Path, Path]):
    old = trusting(certificate)
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    weak = trusting(certificate)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
    for context in (old, weak):
        with pytest.raises(ssl.SSLError):
            https(tls, context, "/health")
    modern = trusting(certificate)
    modern.maximum_version = ssl.TLSVersion.TLSv1_2
    assert https(tls, modern, "/health")[1] == "TLSv1.2"
