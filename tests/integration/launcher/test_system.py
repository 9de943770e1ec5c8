"""The supervisor on real processes: a tiny Procfile of its own, a real embedded Redis, real signals."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launcher.data_dir import DataDir, DataDirInUseError
from launcher.environment import ROOT
from launcher.ports import Ports
from launcher.system import NotReadyError, System
from launcher.waiting import wait_for
from shared.config import ConfigError

SERVICE = Path(__file__).with_name("service.py")
RUN_SYSTEM = Path(__file__).with_name("run_system.py")

CHILD_OF_A_PARENT = """
import os, time
from pathlib import Path
from launcher.spawn import spawn
child = spawn(["sleep", "600"], env=os.environ, cwd=Path.cwd(), output=2)
print(child.pid, flush=True)
time.sleep(600)
"""

Make = Callable[..., System]


def exists(pid: int) -> bool:
    """Tell whether a process lives; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def write_procfile(folder: Path, **modes: str) -> Path:
    file = folder / "Procfile"
    lines = [f"{name}: {sys.executable} {SERVICE} {mode}" for name, mode in modes.items()]
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[System] = []

    def new(env: dict[str, str] | None = None, ports: Ports | None = None, **modes: str) -> System:
        procfile = write_procfile(tmp_path, **(modes or {"api": "", "node": ""}))
        system = System(
            tmp_path / "data", procfile=procfile, ports=ports or Ports.free(), env=env, database=False
        )
        made.append(system)
        return system

    yield new
    for system in made:
        system.stop()


def test_every_process_answers_and_nothing_is_left_after_stop(make: Make):
    system = make()
    system.start()
    system.ready()
    pids = system.pids()
    everybody = [*pids.values(), *(child for key in pids for child in system.children(*key))]

    system.stop()

    assert set(pids) == {("api", 0), ("node", 0), ("node", 1), ("redis", 0)}
    assert len(everybody) >= 7, "each service has a child of its own"
    assert not [pid for pid in everybody if exists(pid)]


def test_a_killed_process_comes_back_and_so_does_its_port(make: Make):
    with make() as system:
        first, child = system.pid("api"), system.children("api")[0]

        os.kill(first, signal.SIGKILL)

        assert wait_for(lambda: system.pids().get(("api", 0), first) != first, seconds=10)
        system.ready()
        assert not exists(child), "what the dead one had started does not live on"


def test_kill_takes_the_children_along_and_hold_leaves_it_down(make: Make):
    with make() as system:
        child = system.children("node", 1)[0]

        system.kill("node", 1, hold=True)

        assert ("node", 1) not in system.pids()
        assert wait_for(lambda: not exists(child), seconds=5)
        system.release("node", 1)
        system.ready()
        assert ("node", 1) in system.pids()


def test_redis_keeps_its_data_and_its_port_from_start_to_start(make: Make):
    with make(api="") as system:
        first = system.redis_url
        ask(first, b"SET greeting hello\r\n")
        system.kill("redis")
        system.ready()
        assert ask(first, b"GET greeting\r\n") == b"$5\r\nhello\r\n"

    with make(api="") as system:
        assert system.redis_url == first
        assert ask(first, b"GET greeting\r\n") == b"$5\r\nhello\r\n"
        assert ask(first, b"CONFIG GET maxmemory-policy\r\n").endswith(b"noeviction\r\n")
        assert b"pubsub 268435456 67108864 60" in ask(first, b"CONFIG GET client-output-buffer-limit\r\n")


def test_a_stubborn_process_is_killed_when_somebody_is_in_a_hurry(make: Make):
    with make(api="stubborn") as system:
        pid, child = system.pid("api"), system.children("api")[0]
        system.hurry()
    assert not exists(pid)
    # Of a child that is not ours nobody says when it is gone: SIGKILL is sent, not waited for.
    assert wait_for(lambda: not exists(child), seconds=10)


def test_a_process_that_cannot_start_is_named(make: Make):
    system = make(api="", worker="broken")
    system.start()
    with pytest.raises(NotReadyError, match="worker"):
        system.ready()
    assert "this service is broken" in system.log("worker")


def test_all_that_forbids_the_start_is_told_at_once(make: Make):
    ports = Ports.free()
    with socket.create_server(("127.0.0.1", ports.api)):
        system = make(env={"BELLHOP_NODE": "1", "BELLHOP_TTL_MAX": "long"}, ports=ports)
        with pytest.raises(ConfigError) as refused:
            system.start()

    told = "\n".join(refused.value.problems)
    assert f"port {ports.api} for api (BELLHOP_API_PORT) is taken" in told
    assert "BELLHOP_NODE is no setting; did you mean BELLHOP_NODES?" in told
    assert "BELLHOP_TTL_MAX='long'" in told


def test_a_data_directory_serves_one_system_at_a_time(make: Make):
    with make(api=""), pytest.raises(ConfigError, match=f"in use by another Bellhop .process {os.getpid()}."):
        make(api="").start()


def test_production_gets_no_generated_secret(make: Make):
    system = make(env={"BELLHOP_PROFILE": "production"}, api="")
    with pytest.raises(ConfigError) as refused:
        system.start()
    assert (
        "BELLHOP_JWT_SECRETS is required in production, unless another issuer is set"
        in refused.value.problems
    )
    assert not list(system.data.secrets.iterdir())


def test_generated_secrets_are_private_and_stay(make: Make):
    first = make().data
    texts = {file.name: file.read_text() for file in first.secrets.iterdir()}
    assert {file.stat().st_mode & 0o777 for file in first.secrets.iterdir()} == {0o600}
    assert {file.name: file.read_text() for file in make().data.secrets.iterdir()} == texts


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("mode", ["", pytest.param("stubborn", marks=pytest.mark.slow)])
def test_nothing_is_orphaned_when_the_supervisor_itself_is_killed(tmp_path: Path, mode: str):
    procfile = write_procfile(tmp_path, api=mode, node="")
    with start_python(RUN_SYSTEM, tmp_path / "data", procfile, Ports.free().api) as supervisor:
        pids = json.loads(supervisor.stdout.readline())
        assert len(pids) == 5
        supervisor.kill()

    assert wait_for(lambda: not any(map(exists, pids)), seconds=25), [pid for pid in pids if exists(pid)]


@pytest.mark.skipif(sys.platform != "linux", reason="the signal exists on Linux only")
def test_a_child_ends_with_its_parent_even_without_guard():
    with start_python(CHILD_OF_A_PARENT) as parent:
        child = int(parent.stdout.readline())
        assert exists(child)
        parent.kill()
    assert wait_for(lambda: not exists(child), seconds=5)


def test_the_guard_of_a_killed_launcher_keeps_the_data_directory_claimed_until_all_has_ended(tmp_path: Path):
    procfile = write_procfile(tmp_path, api="stubborn")
    with start_python(RUN_SYSTEM, tmp_path / "data", procfile, Ports.free().api) as supervisor:
        pids = json.loads(supervisor.stdout.readline())
        supervisor.kill()
    data = DataDir(tmp_path / "data")

    with pytest.raises(DataDirInUseError):
        data.lock(patience=0.5)

    for pid in filter(exists, pids):
        os.kill(pid, signal.SIGKILL)
    data.lock(patience=10)
    data.unlock()


def start_python(script: Path | str, *arguments: object) -> subprocess.Popen[bytes]:
    command = ["-c", script] if isinstance(script, str) else [script]
    return subprocess.Popen(
        [sys.executable, *command, *map(str, arguments)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def ask(url: str, command: bytes) -> bytes:
    port = int(url.removeprefix("redis://127.0.0.1:").removesuffix("/0"))
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(command)
        return connection.recv(4096)
