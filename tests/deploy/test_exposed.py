"""What can be reached on a machine that runs Bellhop: the declared ports on loopback, and nothing else (drill D32)."""

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.ports import free_port
from launcher.spawn import end, spawn
from launcher.waiting import wait_for
from tests.deploy.conftest import Behind, status_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

LISTENS = "0A"
ACCEPTS = 0x10000


def family(*pids: int) -> Iterator[int]:
    """These processes and all that they started."""
    for pid in pids:
        yield pid
        for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
            yield from family(*map(int, tasks.read_text().split()))


def sockets(pids: Iterator[int]) -> set[str]:
    """The inodes of their open sockets."""
    found = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = str(link.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(target[8:-1])
    return found


def address(text: str) -> tuple[str, int]:
    """`0100007F:1F40` as /proc has it, of either family."""
    host, _, port = text.partition(":")
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed), int(port, 16)


def listening(*pids: int) -> tuple[set[tuple[str, int]], list[str]]:
    """Where they listen: addresses of TCP (bound UDP counts too), and Unix sockets."""
    own = sockets(family(*pids))
    inet = set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in own and (fields[3] == LISTENS or name.startswith("udp")):
                inet.add(address(fields[1]))
    unix = []
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[6] in own and int(fields[3], 16) & ACCEPTS:
            unix.append(fields[7] if len(fields) > 7 else "@unnamed")
    return inet, unix


def test_it_listens_on_the_declared_ports_of_loopback_and_nowhere_else(whole: Behind):
    settings = whole.system.settings
    redis = int(whole.system.redis_url.rpartition(":")[2].partition("/")[0])
    declared = {
        settings.api_port,
        settings.node_port,
        settings.node_port + 1,
        settings.worker_port,
        settings.worker_port + 1,
        settings.flower_port,
        redis,
    }
    inet, unix = listening(*whole.system.pids().values())
    assert inet == {("127.0.0.1", port) for port in declared}
    assert unix == []


def test_gunicorn_leaves_no_socket_by_which_it_is_governed(whole: Behind):
    home = Path(whole.system.environment["HOME"])
    assert not [file for file in home.rglob("*") if file.is_socket()]


def test_without_our_settings_it_would_have_one(tmp_path: Path):
    """The negative control of the two tests above."""
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "-b",
        f"127.0.0.1:{free_port()}",
        "wsgiref.simple_server:demo_app",
    ]
    child = spawn(command, env=env, cwd=tmp_path, output=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: bool(listening(child.pid)[1]), seconds=15)
        assert [file for file in tmp_path.rglob("*") if file.is_socket()]
    finally:
        end(child, patience=10)


@pytest.mark.parametrize("path", ["/", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks"])
def test_flower_shows_nothing_without_its_password(whole: Behind, path: str):
    assert status_of(f"{whole.system.url('flower')}/flower{path}") == 401
