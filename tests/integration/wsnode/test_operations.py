"""What operators see: health, readiness, metrics, the log; and a node behind a Unix socket."""

import json
import socket
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from launcher.spawn import end, spawn
from launcher.waiting import wait_for
from shared.http_headers import DATA
from tests.integration.wsnode.client import wait_until
from tests.integration.wsnode.conftest import ROOT, NodeProcess


def test_health_readiness_and_metrics(node):
    status, body = node.get("/health")
    assert (status, json.loads(body)["status"]) == (200, "UP")
    assert json.loads(body)["timestamp"].endswith("Z")
    assert node.get("/readiness") == (200, b'{"status":"READY","redis":"connected"}')
    status, body = node.get("/metrics")
    assert status == 200
    for name in ("bellhop_connections", "bellhop_gap_repairs_total", "bellhop_accept_to_frame_seconds_count"):
        assert name.encode() in body


def test_plain_requests_elsewhere_are_refused_in_the_one_format(node):
    status, body = node.get("/nowhere?token=abc")
    assert (status, json.loads(body)["error"]["code"]) == (404, "not_found")
    status, body = node.get("/ws")
    assert (status, json.loads(body)["error"]["code"]) == (426, "upgrade_required")


@pytest.mark.parametrize(("method", "path"), [("GET", "/health"), ("GET", "/nowhere"), ("POST", "/metrics")])
def test_every_answer_has_the_headers_that_browsers_obey(node, method, path):
    with closing(HTTPConnection("127.0.0.1", node.port, timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        answer.read()

    assert dict(DATA).items() <= dict(answer.getheaders()).items()
    assert answer.getheader("X-Request-Id")
    assert answer.status != 405 or answer.getheader("Allow") == "GET, HEAD"


def test_delivering_counts_frames_and_the_time_from_acceptance(node, backend, user):
    frames = node.metric("bellhop_frames_sent_total")
    observed = node.metric("bellhop_accept_to_frame_seconds_count")
    with node.connect(user) as client:
        client.online()
        backend.publish(user)
        client.wait("notification")
    wait_until(lambda: node.metric("bellhop_frames_sent_total") == frames + 1)
    assert node.metric("bellhop_accept_to_frame_seconds_count") == observed + 1


def test_a_request_id_is_found_and_a_token_is_not(node, backend, user):
    token = node.token(user)
    with node.connect(user) as client:
        client.online()
        backend.publish(user)
        client.wait("notification")
    node.refused(path=f"/ws?token={token}x&ticket=secret-ticket")
    with node.connect(user, path=f"/ws?token={token}") as other:
        other.online()
    wait_until(lambda: backend.last_request_id in node.log())
    log = node.log()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    delivered = [line for line in lines if backend.last_request_id in line.get("request_ids", "")]
    assert [line["event"] for line in delivered] == ["delivered"]
    assert token not in log
    assert "secret-ticket" not in log
    assert any(line["event"] == "connection_opened" and line["user"] == user for line in lines)
    assert any(line.get("target", "").startswith("/ws?token=") for line in lines)


def test_what_anybody_may_send_is_no_label_and_no_word_of_the_log(node):
    for method, target in (("SECRETMETHOD", "/health"), ("GET", "/secretpath"), ("GET", "/ws?secretname=1")):
        with closing(HTTPConnection("127.0.0.1", node.port, timeout=10)) as connection:
            connection.request(method, target)
            connection.getresponse().read()
    wait_until(lambda: "/ws?***=***" in node.log())

    metrics = node.get("/metrics")[1].decode()
    assert 'method="OTHER",route="/health",status="405"' in metrics
    for word in ("SECRETMETHOD", "secretpath", "secretname"):
        assert word not in metrics
        assert word not in node.log()


def test_a_node_behind_a_unix_socket(tmp_path, redis_of_module, backend):
    node = NodeProcess(tmp_path, redis_of_module.url, drain_window="0")
    path = tmp_path / "node.sock"
    command = [str(Path(sys.executable).parent / "gunicorn"), "wsnode.app:app", "--no-control-socket"]
    command += ["--config", "wsnode/gunicorn_conf.py", "--bind", f"unix:{path}"]
    child = spawn(command, env=node.env, cwd=ROOT, output=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: answers(path), seconds=15)
        pair = [handshake(path, node.token(name)) for name in ("one", "two")]
        for one in pair:
            assert one.recv(65536).startswith(b"HTTP/1.1 101")
            one.close()
        assert wait_for(lambda: b"connections 0" in request(path, "/metrics"), seconds=5)
    finally:
        assert end(child, patience=10) == 0


def request(path: Path, target: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        one.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        found = b""
        while data := one.recv(65536):
            found += data
    return found


def answers(path: Path) -> bool:
    try:
        return b" 200 " in request(path, "/readiness")
    except OSError:
        return False


def handshake(path: Path, token: str) -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(5)
    one.connect(str(path))
    lines = [
        "GET /ws HTTP/1.1",
        "Host: x",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
    ]
    lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Authorization: Bearer {token}", "", ""]
    one.sendall("\r\n".join(lines).encode())
    return one
