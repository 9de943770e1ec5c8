"""Build what a drill's setup asks for, with or without a control, and take it down again.

Apart from the frame, because a drill sees the frame and need not know how it came about.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from drills.composition import DRILLS, merged_procfile
from drills.databases import PostgresServer, own_database
from drills.drill import Control, Drill, Setup
from drills.faultproxy import FaultProxy
from drills.frame import Frame
from drills.power import Power
from drills.redis_server import RedisServer
from launcher.system import Ports, System


@contextmanager
def opened(
    drill: Drill, folder: Path, *, size: str, seed: int, control: Control | None, changes: Mapping[str, Any]
) -> Iterator[Frame]:
    """A frame with everything the drill's setup asks for, taken down afterwards."""
    parameters = {**drill.parameters(size), **(control.parameters if control else {}), **changes}
    frame = Frame(folder, parameters, seed=seed, control=control)
    with ExitStack() as stack:
        if drill.setup.system:
            _build(frame, drill.setup, stack)
        stack.callback(frame.close)
        yield frame


def _build(frame: Frame, setup: Setup, stack: ExitStack) -> None:
    control = frame.control
    _open_redis(frame, setup, stack)
    env = {"BELLHOP_LOG_FORMAT": "json", "REDIS_URL": frame.redis.url, "BELLHOP_NODES": str(setup.nodes)}
    env |= _open_database(frame, setup, stack)
    for name in setup.proxies:
        frame.proxies[name] = stack.enter_context(FaultProxy(frame.redis.port))
    ports = {name: str(proxy.port) for name, proxy in frame.proxies.items()}
    env |= {name: value.format(**ports) for name, value in setup.env.items()}
    lines = (setup.lines, control.lines if control else "")
    procfile = merged_procfile(
        frame.folder / "Procfile", [DRILLS / "controls" / name for name in lines if name]
    )
    frame.system = stack.enter_context(
        System(frame.folder / "data", ports=Ports.free(nodes=setup.nodes), env=env, procfile=procfile)
    )


def _open_redis(frame: Frame, setup: Setup, stack: ExitStack) -> None:
    options = {**setup.redis, **(frame.control.redis if frame.control else {})}
    frame.folder.mkdir(parents=True, exist_ok=True)
    if setup.durable:
        frame.power = Power(frame.folder / "power")
    preload = frame.power.library if setup.durable else None
    environ = frame.power.environment() if setup.durable else {}
    frame.redis = RedisServer(frame.folder / "redis", options=options, preload=preload, environ=environ)
    stack.callback(frame.redis.stop)


def _open_database(frame: Frame, setup: Setup, stack: ExitStack) -> dict[str, str]:
    match setup.database:
        case "postgresql":
            frame.database_url = stack.enter_context(own_database())
        case "own-postgresql":
            frame.postgres = PostgresServer(frame.folder)
            stack.callback(frame.postgres.stop)
            frame.database_url = frame.postgres.url
        case _:
            return {}
    return {"DATABASE_URL": frame.database_url}
