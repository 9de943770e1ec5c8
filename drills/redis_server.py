"""The drill's own Redis: started, killed, filled, cut off from power, and listened to at will.

The launcher's options, so that it is the Redis that `make run` starts; a drill or a control may change some of them.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis

from launcher import redis_server as embedded
from launcher.ports import free_port
from launcher.spawn import end, spawn
from launcher.waiting import wait_for

START_SECONDS = 30.0


class RedisServer:
    """A running server. It outlives a kill: its folder and port stay."""

    def __init__(
        self,
        folder: Path,
        *,
        options: Mapping[str, str] | None = None,
        preload: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`options` go over the launcher's; `preload` is a library that is loaded into it, `environ` what it reads."""
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = embedded.url(self.port)
        self._options = dict(options or {})
        self._env = {**os.environ, **(environ or {}), **({"LD_PRELOAD": str(preload)} if preload else {})}
        self._child: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start on the same port with the same data, and wait until the data is loaded."""
        words = embedded.command(embedded.find_binary(), self.port, self.folder)
        words += [word for name, value in self._options.items() for word in (f"--{name}", value)]
        self._child = spawn(words, env=self._env, cwd=self.folder, output=subprocess.DEVNULL)
        if not wait_for(lambda: embedded.answers(self.port), seconds=START_SECONDS):
            raise RuntimeError((self.folder / embedded.LOG).read_text()[-1000:])

    def kill(self) -> None:
        """`kill -9`."""
        if self._child is not None:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait()
            self._child = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Keep it from running for a while."""
        if self._child is not None:
            self._child.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if self._child is not None:
                self._child.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it in order."""
        if self._child is not None:
            end(self._child, patience=10.0)
            self._child = None

    def client(self) -> "redis.Redis":
        """A connection for whoever does the harm; never for the verdict."""
        return redis.Redis(port=self.port, socket_timeout=10.0)

    def append_only_file(self) -> Path:
        """The file of the newest commands."""
        return max((self.folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)
