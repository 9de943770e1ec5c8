"""`make run` as a new user meets it: a notification that arrived, a curl that works, and nothing left behind."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from launcher.environment import ROOT
from launcher.ports import Ports
from launcher.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

START_SECONDS = 90


class Run:
    """`python -m launcher run` in the background, with what it has printed so far."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.out = folder / "run.out"
        self.env = {**os.environ, **env, "BELLHOP_DATA_DIR": str(folder / "data")}
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "launcher", "run"], cwd=ROOT, env=self.env, stdout=out, stderr=out
            )

    @property
    def text(self) -> str:
        return self.out.read_text(errors="replace")

    def wait_until_printed(self, pattern: str) -> re.Match[str]:
        found = wait_for(
            lambda: re.search(pattern, self.text) is not None or self.process.poll() is not None,
            seconds=START_SECONDS,
        )
        match = re.search(pattern, self.text)
        assert found and match, self.text[-6000:]
        return match

    def tool(self, *arguments: str) -> str:
        """Run another command of the launcher and return its last line."""
        done = subprocess.run(
            [sys.executable, "-m", "launcher", *arguments],
            cwd=ROOT, env=self.env, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.splitlines()[-1]

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=40)


@contextmanager
def running(folder: Path, ports: Ports) -> Iterator[Run]:
    run = Run(folder, ports.environment())
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.end(signal.SIGTERM)


def ask(method: str, url: str, key: str, body: object = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(url, data, headers, method=method), timeout=10
    ) as answer:
        return answer.status, json.load(answer)


def processes_of(folder: Path) -> list[str]:
    """The command lines of all processes whose environment names this data directory."""
    mark = f"BELLHOP_DATA_DIR={folder / 'data'}\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes() + b"\0":
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def test_a_new_user_sees_a_notification_arrive_and_finds_it_again_after_a_restart(tmp_path: Path):
    ports = Ports.free()
    with running(tmp_path, ports) as run:
        run.wait_until_printed(r"A welcome notification to ana arrived \d+ ms")
        assert f"http://127.0.0.1:{ports.api}/console" in run.text

        pasted = run.wait_until_printed(r"(?m)^  (curl .*)$")[1]
        done = subprocess.run(["/bin/sh", "-c", pasted], capture_output=True, text=True, check=True)
        accepted = json.loads(done.stdout)
        assert accepted["status"] == "accepted"

        key = run.tool("key")
        assert key in shlex.split(pasted)[3]
        api = f"http://127.0.0.1:{ports.api}"
        url = f"{api}/v1/notifications/{accepted['id']}"
        assert wait_for(lambda: ask("GET", url, key)[1]["status"] == "sent", seconds=10)

        token = run.tool("token", "--user", "ana")
        status, inbox = ask("GET", f"{api}/v1/inbox", token)
        assert status == 200
        assert {item["event"] for item in inbox["items"]} == {"bellhop.welcome", "hello"}
        assert key not in re.sub(r"(?m)^  curl .*$", "", run.text)

        assert run.end(signal.SIGINT) == 0
        assert wait_for(lambda: not processes_of(tmp_path), seconds=5), processes_of(tmp_path)

    with running(tmp_path, ports) as run:
        run.wait_until_printed(r"Bellhop is ready")
        assert run.tool("key") == key, "the same key as before"
        assert ask("GET", url, key)[1]["event"] == "hello"


def test_all_that_forbids_the_start_is_printed_a_line_each_and_the_exit_code_is_2(tmp_path: Path):
    ports = Ports.free()
    env = {**ports.environment(), "BELLHOP_PROFILE": "production", "BELLHOP_NODE": "3"}
    begun = time.monotonic()
    with socket.create_server(("127.0.0.1", ports.api)):
        run = Run(tmp_path, env)
        assert run.process.wait(timeout=30) == 2

    assert run.text.splitlines() == [
        "bellhop: BELLHOP_NODE is no setting; did you mean BELLHOP_NODES?",
        "bellhop: BELLHOP_JWT_SECRETS is required in production, unless another issuer is set",
        "bellhop: BELLHOP_FLOWER_PASSWORD is required in production: Flower must not be open",
        f"bellhop: port {ports.api} for api (BELLHOP_API_PORT) is taken",
    ]
    assert time.monotonic() - begun < 10
