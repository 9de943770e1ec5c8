"""A whole Bellhop on this machine, as an object: for `make run`, end-to-end tests, drills and benchmarks.

    with System(tmp_path / "data", ports=Ports.free(), env={"BELLHOP_NODES": "2"}) as bellhop:
        bellhop.kill("worker")
        bellhop.ready()

Leaving the block ends every process. So does the death of the process that made it, even by `kill -9`.
"""

import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Self

from launcher import redis_server
from launcher.data_dir import DataDirInUseError
from launcher.database import development_key, migrate
from launcher.environment import ROOT
from launcher.output import LogFiles, Output
from launcher.plan import Process, processes
from launcher.ports import Ports
from launcher.preparation import Preparation
from launcher.probe import is_ready, reachable
from launcher.procfile import parse
from launcher.supervisor import PATIENCE, Child, Supervisor
from launcher.tools import empty
from launcher.waiting import wait_for
from shared.auth import tokens
from shared.clock import SystemClock
from shared.config import ConfigError

__all__ = ["NotReadyError", "Ports", "System"]

REDIS = "redis"
# A loaded machine takes its time; a process that cannot start is told much earlier, see GIVE_UP_DEATHS.
READY_SECONDS = 120.0
# So many early deaths in a row are no accident of the start any more.
GIVE_UP_DEATHS = 3


class NotReadyError(Exception):
    """Something did not get ready in time; the message says what."""


class System:
    """The processes of a Procfile, an embedded Redis and a migrated database in one data directory.

    Processes are addressed by their name in the Procfile and an index (nodes: 0, 1, ...); the embedded Redis is
    `redis`.
    """

    def __init__(  # noqa: PLR0913  # each has a default that fits; naming them is the point
        self,
        data_dir: Path,
        *,
        ports: Ports | None = None,
        env: Mapping[str, str] | None = None,
        procfile: Path = ROOT / "Procfile",
        only: Collection[str] | None = None,
        output: Output | None = None,
        database: bool = True,
    ) -> None:
        """Plan a system: `env` adds to this process's environment, `only` picks names of the Procfile.

        Without `output` each process writes to `data_dir/logs/<label>.log`. `database=False` leaves out the
        migration and the API key.
        """
        environ = {**os.environ, **(env or {}), **(ports.environment() if ports else {})}
        self._preparation = Preparation(environ, data_dir)
        self.settings = self._preparation.settings
        self.data = self._preparation.data
        self.output = output or LogFiles(self.data.path / "logs")
        commands = parse(procfile.read_text(encoding="utf-8"))
        self._planned = {
            (process.name, process.index): process
            for process in processes(self.settings, commands)
            if only is None or process.name in only
        }
        self._database = database
        self._supervisor: Supervisor | None = None
        self._api_key = ""

    def __enter__(self) -> Self:
        self.start()
        try:
            self.ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and return without waiting for it; ConfigError names all that forbids the start."""
        # The claim first: it waits for what a killed launcher left behind, and that may still hold ports.
        problems = [*self._claim(), *self._preparation.problems(list(self._planned.values()))]
        if problems:
            self.data.unlock()
            raise ConfigError(problems)
        claim = self.data.lock_descriptor()
        self._supervisor = Supervisor(ROOT, self.output, claims=() if claim is None else (claim,))
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise

    def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until every process that is not held answers that it is ready."""
        if not wait_for(
            lambda: not self._waiting_for() or bool(self._failing()), seconds=seconds, interval=0.05
        ):
            raise NotReadyError(f"not ready after {seconds:g} s: {', '.join(self._waiting_for())}")
        if failing := self._failing():
            raise NotReadyError(f"does not start: {', '.join(failing)}")

    def stop(self) -> None:
        """End every process: first all that use Redis, then Redis."""
        if self._supervisor is None:
            return
        self._supervisor.stop([label for label in self._supervisor.labels() if label != REDIS])
        self._supervisor.close()
        self._supervisor = None
        self.data.unlock()

    def hurry(self) -> None:
        """Let a `stop` that is under way kill instead of wait. Safe in a signal handler."""
        if self._supervisor is not None:
            self._supervisor.hurry.set()

    def pid(self, name: str, index: int = 0) -> int:
        """Return the process id of one process; ProcessLookupError while it is down."""
        pid = self._running.pid(self._label(name, index))
        if pid is None:
            raise ProcessLookupError(f"{name} {index} does not run")
        return pid

    def pids(self) -> dict[tuple[str, int], int]:
        """Return the process ids of all that run, by name and index."""
        found = {key: self._running.pid(process.label) for key, process in self._planned.items()}
        if REDIS in self._running.labels():
            found[REDIS, 0] = self._running.pid(REDIS)
        return {key: pid for key, pid in found.items() if pid is not None}

    def children(self, name: str, index: int = 0) -> list[int]:
        """Return the process ids of a process's own children, such as the pool of a worker (Linux)."""
        pid = self.pid(name, index)
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        return sorted(int(child) for task in tasks for child in task.read_text().split())

    def signal(self, number: int, name: str, index: int = 0) -> None:
        """Send a signal to one process, not to its children."""
        self._running.signal(self._label(name, index), number)

    def kill(self, name: str, index: int = 0, *, hold: bool = False) -> None:
        """`kill -9` one process with all its children. It is started again at once unless `hold` is set."""
        label = self._label(name, index)
        self._running.hold(label, patience=0)
        if not hold:
            self._running.release(label)

    def hold(self, name: str, index: int = 0, *, patience: float = PATIENCE) -> None:
        """End one process in order and leave it down until `release`."""
        self._running.hold(self._label(name, index), patience=patience)

    def release(self, name: str, index: int = 0) -> None:
        """Start a held process again."""
        self._running.release(self._label(name, index))

    def restart(self, name: str, index: int = 0, *, patience: float = PATIENCE) -> None:
        """End one process in order and start it again."""
        self.hold(name, index, patience=patience)
        self.release(name, index)

    def url(self, name: str, index: int = 0, *, scheme: str = "http") -> str:
        """Return the address of one process: `http://127.0.0.1:8000`."""
        process = self._planned[name, index]
        return f"{scheme}://{reachable(process.host)}:{process.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the processes, for programs that should see the same system."""
        return self._preparation.environment()

    @property
    def redis_url(self) -> str:
        """The URL of the Redis in use."""
        preparation = self._preparation
        return (
            redis_server.url(preparation.redis_port) if preparation.embeds_redis else self.settings.redis_url
        )

    @property
    def api_key(self) -> str:
        """The development API key of the app `main`."""
        return self._api_key

    def token(self, user: str, *, app: str = "main", ttl: float | None = None) -> str:
        """Return a token that signs in as this user."""
        life = self.settings.token_ttl if ttl is None else ttl
        return tokens.issue(self.settings, user=user, app=app, ttl=life, now=SystemClock().now_ms())

    def log(self, name: str, index: int = 0) -> str:
        """Return what one process has written so far."""
        if name == REDIS:
            return self.data.redis_log.read_text(encoding="utf-8", errors="replace")
        if not isinstance(self.output, LogFiles):
            raise TypeError("this system writes no log files")
        return self.output.path(self._label(name, index)).read_text(encoding="utf-8", errors="replace")

    @property
    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise RuntimeError("the system is not started")
        return self._supervisor

    def _label(self, name: str, index: int) -> str:
        return REDIS if name == REDIS else self._planned[name, index].label

    def _claim(self) -> list[str]:
        try:
            self.data.lock()
        except DataDirInUseError as error:
            return [str(error)]
        return []

    def _start_all(self) -> None:
        preparation = self._preparation
        if preparation.embeds_redis:
            self._running.add(Child(REDIS, preparation.redis_command(), os.environ))
        environ = self.environment
        if self._database:
            migrate(environ)
        if preparation.embeds_redis:
            self._await_redis()
        for process in self._planned.values():
            self._running.add(self._child(process, environ))
        if self._database and self.settings.profile == "development":
            self._api_key = development_key(environ)

    def _await_redis(self) -> None:
        if not wait_for(self._redis_answers, seconds=READY_SECONDS):
            raise NotReadyError(f"the embedded Redis does not answer, see {self.data.redis_log}")

    def _redis_answers(self) -> bool:
        return self._running.is_held(REDIS) or redis_server.answers(self._preparation.redis_port)

    def _child(self, process: Process, environ: Mapping[str, str]) -> Child:
        env = dict(environ)
        if process.port is not None:
            env["PORT"] = str(process.port)
        command = ["/bin/sh", "-c", f"exec {process.command}"]
        if not process.shares_metrics:
            return Child(process.label, command, env)
        folder = self.data.metrics / process.label
        env["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        return Child(process.label, command, env, before=partial(empty, folder))

    def _waiting_for(self) -> list[str]:
        redis = [REDIS] if REDIS in self._running.labels() and not self._redis_answers() else []
        return redis + [process.label for process in self._planned.values() if not self._is_ready(process)]

    def _is_ready(self, process: Process) -> bool:
        if self._running.is_held(process.label):
            return True
        if self._running.pid(process.label) is None:
            return False
        return process.port is None or is_ready(process.host, process.port, process.probe)

    def _failing(self) -> list[str]:
        return [label for label in self._running.labels() if self._running.deaths(label) >= GIVE_UP_DEATHS]
