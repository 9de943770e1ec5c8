"""nginx in front of two real apis, two real nodes and Flower: started once for the tests of this folder."""

import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.environment import ROOT
from launcher.ports import free_port
from launcher.probe import is_ready
from launcher.spawn import end, spawn
from launcher.system import Ports, System
from launcher.waiting import wait_for
from tests.deploy.edge import Edge, Places
from tests.e2e.http import Http

LIMIT = 5
"""Requests of a stranger a minute, where strangers can be told apart."""


class Behind:
    """What stands behind the edge: the launcher's system, and one more api of the same database and Redis."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.second_api = free_port()
        self._api: subprocess.Popen[bytes] | None = None
        self.start_second_api()

    def start_second_api(self) -> None:
        command = ["gunicorn", "api.wsgi:app", "--config", "api/gunicorn_conf.py", "--no-control-socket"]
        env = {**self.system.environment, "PORT": str(self.second_api)}
        with (self.system.data.path / "logs" / "api2.log").open("ab") as output:
            self._api = spawn(command, env=env, cwd=ROOT, output=output)
        assert wait_for(lambda: is_ready("127.0.0.1", self.second_api, "/readiness"), seconds=60)

    def kill_second_api(self) -> None:
        """`kill -9`, with its worker process."""
        assert self._api is not None
        os.killpg(self._api.pid, signal.SIGKILL)
        self._api.wait()

    def close(self) -> None:
        if self._api is not None:
            end(self._api, patience=10)

    @property
    def places(self) -> Places:
        settings = self.system.settings
        return Places(
            apis=(settings.api_port, self.second_api),
            nodes=(settings.node_port, settings.node_port + 1),
            flower=settings.flower_port,
        )


@pytest.fixture(scope="package")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """A running Bellhop that believes what nginx says of addresses."""
    env = {
        "BELLHOP_TRUSTED_PROXIES": "127.0.0.1",
        "BELLHOP_LIMIT_ADDRESS": f"{LIMIT}/1m",
        "BELLHOP_FLOWER_URL_PREFIX": "flower",
        "BELLHOP_DRAIN_RETRY": "0.5",
        "BELLHOP_LOG_FORMAT": "json",
        "HOME": str(tmp_path_factory.mktemp("home")),
    }
    only = ("api", "node", "worker", "worker_bulk", "beat", "flower")
    with System(tmp_path_factory.mktemp("bellhop"), ports=Ports.free(), env=env, only=only) as system:
        behind = Behind(system)
        yield behind
        behind.close()


@pytest.fixture(scope="package")
def edge(behind: Behind) -> Iterator[Edge]:
    """The one public port, without TLS."""
    with Edge(behind.places) as edge:
        yield edge


@pytest.fixture(scope="package")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    chain, key = folder / "tls_certificate", folder / "tls_key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=bellhop", "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", str(chain), "-keyout", str(key)],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return chain, key


@pytest.fixture
def whole(behind: Behind) -> Behind:
    """All of it up: a test before may have stopped some."""
    behind.system.ready()
    return behind


@pytest.fixture
def http(edge: Edge, whole: Behind) -> Http:
    """A backend that knows the public port and nothing else."""
    return Http(edge.url, whole.system.api_key)


def status_of(url: str, **headers: str) -> int:
    """The status of a GET; headers are given with underscores."""
    request = urllib.request.Request(url, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)
