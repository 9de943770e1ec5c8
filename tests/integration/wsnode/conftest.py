"""A real node under gunicorn on a port and a Redis of its own, and the backend that plays the rest of Bellhop."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from launcher.ports import free_port
from launcher.spawn import end, spawn
from launcher.waiting import wait_for
from shared.auth.tokens import issue
from shared.config import Settings, load
from tests.fixtures.redis_server import RedisServer
from tests.integration.wsnode.backend import Backend
from tests.integration.wsnode.client import Client, Refused

ROOT = Path(__file__).resolve().parents[3]
SECRET = "k1:a-secret-of-the-test-suite-and-of-nobody-else"


def _variable(name: str) -> str:
    """The environment variable of a setting."""
    return name.upper() if name == "broker_url" else f"BELLHOP_{name.upper()}"


class NodeProcess:
    """One node. `settings` are environment variables without their prefix."""

    def __init__(self, folder: Path, redis_url: str, **settings: str) -> None:
        self.port = free_port()
        self.folder = folder
        self.log_path = folder / f"node-{self.port}.log"
        self.env = {
            "PATH": os.environ["PATH"],
            "PORT": str(self.port),
            "REDIS_URL": redis_url,
            "BELLHOP_JWT_SECRETS": SECRET,
            "BELLHOP_LOG_FORMAT": "json",
            "BELLHOP_DATA_DIR": str(folder),
        } | {_variable(name): value for name, value in settings.items()}
        self.settings: Settings = load(self.env)
        self.child: subprocess.Popen[bytes] | None = None
        self._told = False

    def start(self) -> None:
        """Start it and wait until it is ready."""
        gunicorn = str(Path(sys.executable).parent / "gunicorn")
        command = [gunicorn, "wsnode.app:app", "--config", "wsnode/gunicorn_conf.py", "--no-control-socket"]
        self._told = False
        with self.log_path.open("ab") as log:
            self.child = spawn(command, env=self.env, cwd=ROOT, output=log)
        assert wait_for(self.ready, seconds=15, interval=0.05), self.log()

    def stop(self) -> int:
        """SIGTERM, as in a deploy, unless it was sent already; the exit code."""
        child, self.child = self.child, None
        if child is None:
            return 0
        if self._told:
            # A second one, while Python is on its way out, would end it by the signal and not with 0.
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(20)
        return end(child, patience=20)

    def terminate(self) -> None:
        """SIGTERM without waiting."""
        assert self.child is not None
        self._told = True
        self.child.send_signal(signal.SIGTERM)

    def get(self, path: str) -> tuple[int, bytes]:
        """One plain HTTP request."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def ready(self) -> bool:
        try:
            return self.get("/readiness")[0] == 200
        except OSError:
            return False

    def metric(self, name: str) -> float:
        """The value of one metric, its labels summed."""
        lines = self.get("/metrics")[1].decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def token(self, user: str, *, ttl: float = 600, app: str = "main") -> str:
        return issue(self.settings, user=user, app=app, ttl=ttl, now=int(time.time() * 1000))

    def connect(self, user: str, **options: Any) -> Client:
        """Connect by header; `since` becomes query parameters."""
        since = options.pop("since", None)
        if since:
            options["path"] = "/ws?" + "&".join(f"{name}={value}" for name, value in since.items())
        return Client(self.port, token=self.token(user), **options)

    def refused(self, **options: Any) -> Refused:
        """Connect and expect an HTTP answer instead."""
        with pytest.raises(Refused) as caught:
            Client(self.port, **options)
        return caught.value


@pytest.fixture(scope="module")
def redis_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared_node(
    tmp_path_factory: pytest.TempPathFactory, redis_of_module: RedisServer
) -> Iterator[NodeProcess]:
    """One node for all tests of a module that do it no harm; its timings are short."""
    node = NodeProcess(
        tmp_path_factory.mktemp("node"),
        redis_of_module.url,
        auth_deadline="1",
        replay_deadline="1",
        drain_window="0.2",
    )
    node.start()
    yield node
    node.stop()


@pytest.fixture
def node(shared_node: NodeProcess) -> NodeProcess:
    return shared_node


@pytest.fixture
def backend(redis_of_module: RedisServer) -> Iterator[Backend]:
    """A backend whose streams are those of this test: users get names of their own, `all` starts anew."""
    backend = Backend(redis_of_module.url)
    backend.client.delete("tail:all:main", "acks", "replay", "receipts", "receipts:nudge")
    backend.start()
    yield backend
    backend.stop()


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A user nobody else has."""
    return f"user {os.urandom(4).hex()}"


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[Callable[..., NodeProcess]]:
    """Start nodes of the test's own; they are stopped afterwards."""
    nodes: list[NodeProcess] = []

    def start(redis_url: str, **settings: str) -> NodeProcess:
        node = NodeProcess(tmp_path, redis_url, **({"drain_window": "0.2"} | settings))
        node.start()
        nodes.append(node)
        return node

    yield start
    for node in nodes:
        node.stop()
