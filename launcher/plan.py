"""Which processes run, on which ports, and how to ask each whether it is ready.

Pure: settings and a Procfile in, a list of processes and of problems out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from shared.config import Settings

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of the processes of one name."""

    setting: str
    """The setting of the first one's port."""
    probe: str
    """The path that answers 200 when the process is ready."""
    offset: int = 0
    bind: str = "bind"
    """The setting of the address."""
    prefix: str = ""
    """The setting of the first part of its paths."""
    shares_metrics: bool = False
    """Has several processes that count together, see shared.metrics."""


KINDS: dict[str, Kind] = {
    "api": Kind("api_port", "/readiness"),
    "node": Kind("node_port", "/readiness"),
    "worker": Kind("worker_port", "/readiness", shares_metrics=True),
    "worker_bulk": Kind("worker_port", "/readiness", offset=1, shares_metrics=True),
    "flower": Kind("flower_port", "/healthcheck", bind="flower_bind", prefix="flower_url_prefix"),
}


@dataclass(frozen=True, slots=True)
class Process:
    """One process to run."""

    name: str
    index: int
    command: str
    """A shell command; `$PORT` and the settings are in its environment."""
    host: str = LOOPBACK
    port: int | None = None
    setting: str = ""
    probe: str = ""
    """Empty: ready as soon as it runs."""
    shares_metrics: bool = False

    @property
    def label(self) -> str:
        """The name people see: `api`, `node.0`, `node.1`."""
        return f"{self.name}.{self.index}" if self.name == "node" else self.name


def processes(settings: Settings, commands: Mapping[str, str]) -> list[Process]:
    """Return every process of the Procfile, as often as it is wanted."""
    return [
        _process(settings, name, index, command)
        for name, command in commands.items()
        for index in range(settings.nodes if name == "node" else 1)
    ]


def port_problems(planned: Iterable[Process], is_free: Callable[[int, str], bool]) -> Iterator[str]:
    """Yield one sentence for each port that is taken or wanted twice."""
    with_port = [(process, process.port) for process in planned if process.port is not None]
    wanted = Counter(port for _, port in with_port)
    for process, port in with_port:
        where = f"port {port} for {process.label} (BELLHOP_{process.setting.upper()})"
        if wanted[port] > 1:
            yield f"{where} is wanted by more than one process"
        elif not is_free(port, process.host):
            yield f"{where} is taken"


def restart_delay(deaths: int) -> float:
    """Return how many seconds to wait before the next start after `deaths` early deaths in a row."""
    return float(min(0.25 * 2 ** (deaths - 1), 15.0))


def _process(settings: Settings, name: str, index: int, command: str) -> Process:
    kind = KINDS.get(name)
    if kind is None:
        return Process(name, index, command)
    prefix = getattr(settings, kind.prefix) if kind.prefix else ""
    return Process(
        name,
        index,
        command,
        host=getattr(settings, kind.bind),
        port=getattr(settings, kind.setting) + kind.offset + index,
        setting=kind.setting,
        probe=f"/{prefix}{kind.probe}" if prefix else kind.probe,
        shares_metrics=kind.shares_metrics or (name == "api" and settings.api_workers > 1),
    )
