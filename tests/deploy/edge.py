"""nginx with the files of deploy/nginx, as an unprivileged user, with the addresses of a test instead of compose's."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from launcher.environment import ROOT
from launcher.ports import free_port, is_free
from launcher.waiting import wait_for
from tests.fixtures.absent import absent

FILES = ROOT / "deploy" / "nginx"
NOBODY = 65534


def program() -> str:
    """The nginx to run; without one the test is skipped, or fails where everything must be there."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return found or absent("nginx is not installed")


@dataclass(frozen=True)
class Places:
    """Where the upstreams of one test listen, all on loopback."""

    apis: tuple[int, int]
    nodes: tuple[int, int]
    flower: int


def rendered(text: str, changes: dict[str, str]) -> tuple[str, set[str]]:
    """The text with every word of `changes` replaced at once, and the words that were there."""
    words = re.compile("|".join(rf"(?<![\w.]){re.escape(word)}(?!\w)|(?<=node_){word}\b" for word in changes))
    found = set[str]()

    def change(match: re.Match[str]) -> str:
        found.add(match[0])
        return changes[match[0]]

    return words.sub(change, text), found


class Edge:
    """One running nginx. `log` is what it wrote, access log and all."""

    def __init__(self, places: Places, main: str = "plain.conf", edits: dict[str, str] | None = None) -> None:
        """`edits` replace further words of the files, such as the names of certificates."""
        self.folder = Path(tempfile.mkdtemp(prefix="bellhop-nginx-"))
        self.places = places
        self.port, self.tls_port, self._health = free_port(), free_port(), free_port()
        self._main = main
        self._output = self.folder / "output"
        self._output.touch()
        self._write(edits or {})
        # Somebody else reads and writes here: nobody, if the tests run as root.
        self.folder.chmod(0o777)
        self._output.chmod(0o666)
        self._child: subprocess.Popen[bytes] | None = None

    def _write(self, edits: dict[str, str]) -> None:
        places = self.places
        changes = {
            "172.30.80.11:8000": f"127.0.0.1:{places.apis[0]}",
            "172.30.80.12:8000": f"127.0.0.1:{places.apis[1]}",
            "172.30.80.21:8001": f"127.0.0.1:{places.nodes[0]}",
            "172.30.80.22:8002": f"127.0.0.1:{places.nodes[1]}",
            "172.30.80.31:5555": f"127.0.0.1:{places.flower}",
            "8001": str(places.nodes[0]),
            "8002": str(places.nodes[1]),
            "8080": f"127.0.0.1:{self.port}",
            "8443": f"127.0.0.1:{self.tls_port}",
            ":8443": f":{self.tls_port}",
            "127.0.0.1:8089": f"127.0.0.1:{self._health}",
            **edits,
        }
        unused = set(changes)
        for file in FILES.glob("*.conf"):
            text, found = rendered(file.read_text(), changes)
            (self.folder / file.name).write_text(text)
            unused -= found
        assert not unused, f"not in deploy/nginx: {unused}"

    def command(self, *more: str) -> list[str]:
        return [program(), "-p", str(self.folder), "-e", "stderr", "-c", str(self.folder / self._main), *more]

    def start(self) -> Self:
        """Start and wait until it answers."""
        with self._output.open("ab") as output:
            self._child = subprocess.Popen(
                self.command("-g", "daemon off;"), stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                cwd="/", start_new_session=True, **unprivileged(),
            )  # fmt: skip
        ports = [self._health, self.port, *([self.tls_port] if self._main == "tls.conf" else [])]
        wait_for(lambda: self._child.poll() is not None or not any(map(is_free, ports)), seconds=10)
        assert self._child.poll() is None and not any(map(is_free, ports)), self.log
        return self

    def stop(self) -> None:
        """End master and workers, and forget all of it."""
        if self._child is not None:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._child.pid, signal.SIGKILL)
                self._child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._output.read_text()

    def lines(self) -> list[dict[str, Any]]:
        """The access log."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def encrypting(places: Places, certificate: tuple[Path, Path]) -> Edge:
    """The public port with TLS, not started; the files of the certificate lie beside its configuration."""
    edge = Edge(places, "tls.conf", {f"/run/secrets/{file.name}": file.name for file in certificate})
    for file in certificate:
        copy = edge.folder / file.name
        copy.write_bytes(file.read_bytes())
        copy.chmod(0o444)
    return edge


def unprivileged() -> dict[str, Any]:
    """What runs a program as nobody, if these tests run as root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
