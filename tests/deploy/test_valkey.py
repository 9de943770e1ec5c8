"""Valkey as docker-compose.yml starts it: its own script and configuration, with the folders of a test."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import yaml

from launcher import redis_server
from launcher.environment import ROOT
from launcher.ports import free_port, is_free
from launcher.spawn import end, spawn
from launcher.waiting import wait_for
from tests.fixtures.absent import absent

SERVICE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["valkey"]
USERS = ("operator", "api", "worker", "node", "beat", "flower")


@dataclass
class Valkey:
    """A running one. `folder` has what the container has at its root."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def password(self, user: str) -> str:
        url = (self.folder / "run/secrets" / f"redis_url_{user}").read_text().strip()
        return url.removeprefix(f"redis://{user}:").removesuffix("@valkey:6379/0")

    def connect(self, user: str) -> redis.Redis:
        return redis.Redis(port=self.port, username=user, password=self.password(user), decode_responses=True)

    def healthy(self, **env: str) -> bool:
        """What the health check of compose says."""
        line = [word.replace("/etc", f"{self.folder}/etc") for word in SERVICE["healthcheck"]["test"][1:]]
        return subprocess.run(line, env=self.environment | env, timeout=30, check=False).returncode == 0

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "PORT": str(self.port)}


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    folder = tmp_path_factory.mktemp("valkey")
    for name in ("run/secrets", "etc/valkey", "data", "tmp", "bin"):
        (folder / name).mkdir(parents=True)
    subprocess.run(["sh", str(ROOT / "deploy" / "secrets.sh"), str(folder / "run/secrets")], check=True)
    found = Valkey(folder, free_port(), None)  # type: ignore[arg-type]  # it starts below
    for mounted in SERVICE["volumes"][1:]:
        source, target, _ = mounted.split(":")
        text = moved((ROOT / source).read_text(), folder)
        if target.endswith(".conf"):
            text += f"\nbind 127.0.0.1\nport {found.port}\n"
        Path(f"{folder}{target}").write_text(text)
    program(folder / "bin" / "valkey-server", str(redis_server.find_binary()), '"$@"')
    program(folder / "bin" / "valkey-cli", cli(), '-p "$PORT" "$@"')
    command = [word.replace("/etc", f"{folder}/etc") for word in SERVICE["command"]]
    found.process = spawn(command, env=found.environment, cwd=folder, output=subprocess.DEVNULL)
    assert wait_for(lambda: not is_free(found.port) or found.process.poll() is not None, seconds=10)
    yield found
    if found.process.poll() is None:
        assert end(found.process, patience=10) == 0


def moved(text: str, folder: Path) -> str:
    """The text with each folder of the container in the place it has here."""
    return re.sub("/(?=run/secrets/|etc/valkey/|tmp/|data$)", f"{folder}/", text, flags=re.M)


def program(file: Path, name: str, arguments: str) -> None:
    file.write_text(f"#!/bin/sh\nexec {name} {arguments}\n")
    file.chmod(0o755)


def cli() -> str:
    """Whatever speaks for `valkey-cli` here."""
    found = shutil.which("valkey-cli") or shutil.which("redis-cli")
    return found or absent("there is no valkey-cli")


def test_it_keeps_everything_and_evicts_nothing(valkey: Valkey):
    with valkey.connect("operator") as client:
        settings = client.config_get("*")
        client.set("kept", "1")
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["maxmemory-policy"] == "noeviction"
    assert int(settings["maxmemory"]) == 1536 * 1024 * 1024
    assert "pubsub 268435456 67108864 60" in settings["client-output-buffer-limit"]
    assert list((valkey.folder / "data").rglob("*.aof"))


def test_it_knows_each_process_by_a_password_of_its_own_and_nobody_else(valkey: Valkey):
    for user in USERS:
        with valkey.connect(user) as client:
            assert client.ping()
    with redis.Redis(port=valkey.port) as stranger, pytest.raises(redis.exceptions.AuthenticationError):
        stranger.ping()
    with (
        redis.Redis(port=valkey.port, username="api", password=valkey.password("node")) as other,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        other.ping()
    with valkey.connect("operator") as client:
        assert set(client.acl_users()) == {*USERS, "default"}
        assert "off" in client.acl_getuser("default")["flags"]


def test_its_passwords_are_on_no_command_line_and_in_a_file_of_its_own(valkey: Valkey):
    line = Path(f"/proc/{valkey.process.pid}/cmdline").read_text()
    assert valkey.process.args
    assert not [user for user in USERS if valkey.password(user) in line]
    assert (valkey.folder / "tmp" / "users.acl").stat().st_mode & 0o077 == 0


def test_the_health_check_sees_whether_it_answers(valkey: Valkey):
    assert valkey.healthy()
    assert not valkey.healthy(PORT=str(free_port()))


def test_without_a_password_it_does_not_start(valkey: Valkey):
    """Rather than with a user that has none."""
    secret = valkey.folder / "run/secrets/redis_url_beat"
    kept, users = secret.read_text(), valkey.folder / "tmp/users.acl"
    before = users.read_text()
    secret.unlink()
    try:
        command = [word.replace("/etc", f"{valkey.folder}/etc") for word in SERVICE["command"]]
        done = subprocess.run(
            command, env=valkey.environment, capture_output=True, text=True, timeout=30, check=False
        )
    finally:
        secret.write_text(kept)
        users.write_text(before)
    assert done.returncode != 0
    assert "redis_url_beat" in done.stderr
