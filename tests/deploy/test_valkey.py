"""Valkey as docker-compose.yml starts it: its own command line and configuration, with the folders of a test."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import redis
import yaml

from launcher import redis_server
from launcher.environment import ROOT
from launcher.ports import free_port, is_free
from launcher.spawn import end, spawn
from launcher.waiting import wait_for

SERVICE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["valkey"]


def test_it_wants_the_password_of_the_file_keeps_everything_and_evicts_nothing(tmp_path: Path):
    port = free_port()
    folders = {"/run/secrets": tmp_path / "secrets", "/data": tmp_path / "data", "/tmp": tmp_path / "tmp"}
    for folder in folders.values():
        folder.mkdir()
    subprocess.run(["sh", str(ROOT / "deploy" / "secrets.sh"), str(folders["/run/secrets"])], check=True)
    password = (folders["/run/secrets"] / "redis_password").read_text().strip()
    config = tmp_path / "valkey.conf"
    text = (ROOT / "deploy" / "valkey.conf").read_text()
    config.write_text(moved(text, folders) + f"\nbind 127.0.0.1\nport {port}\n")
    *shell, line = SERVICE["command"]
    line = moved(line.replace("$$", "$"), folders).replace("/etc/valkey/valkey.conf", str(config))
    line = line.replace("valkey-server", str(redis_server.find_binary()))

    child = spawn([*shell, line], env=os.environ, cwd=tmp_path, output=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: not is_free(port) or child.poll() is not None, seconds=10)
        with redis.Redis(port=port, password=password, decode_responses=True) as client:
            assert wait_for(lambda: bool(client.ping()), seconds=10)
            settings = client.config_get("*")
            client.set("kept", "1")
        with redis.Redis(port=port) as stranger, pytest.raises(redis.exceptions.AuthenticationError):
            stranger.ping()
        told = (
            Path(f"/proc/{child.pid}/cmdline").read_bytes() + (folders["/tmp"] / "password.conf").read_bytes()
        )
    finally:
        assert end(child, patience=10) == 0

    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["maxmemory-policy"] == "noeviction"
    assert int(settings["maxmemory"]) == 1536 * 1024 * 1024
    assert "pubsub 268435456 67108864 60" in settings["client-output-buffer-limit"]
    assert list(folders["/data"].rglob("*.aof"))
    assert told.count(password.encode()) == 1, "in the file and not on the command line"
    assert (folders["/tmp"] / "password.conf").stat().st_mode & 0o077 == 0


def moved(text: str, folders: dict[str, Path]) -> str:
    """The text with each folder of the container in the place it has here."""
    return re.sub("(?<= )(" + "|".join(folders) + r")\b", lambda match: str(folders[match[0]]), text)
