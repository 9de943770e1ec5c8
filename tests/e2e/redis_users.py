"""A Bellhop whose processes each sign in to Redis as a user of their own, with the rights of deploy/redis_users.acl."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from launcher.environment import ROOT
from launcher.procfile import parse
from launcher.system import Ports, System
from tests.fixtures.guarded_redis import USER_OF, GuardedRedis


class Guarded:
    """The Redis with its users and a Bellhop on it."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        (folder / "redis").mkdir(parents=True)
        self.redis = GuardedRedis(folder / "redis")
        procfile = folder / "Procfile"
        commands = parse((ROOT / "Procfile").read_text())
        procfile.write_text(
            "".join(f"{name}: {self._signed_in(name)} {commands[name]}\n" for name in commands)
        )
        self.system = System(
            folder / "bellhop",
            ports=Ports.free(),
            procfile=procfile,
            # Nobody's: a process that does not sign in as itself gets nowhere.
            env={"REDIS_URL": f"redis://127.0.0.1:{self.redis.port}/0", "BELLHOP_LOG_FORMAT": "json", **env},
        )

    def _signed_in(self, name: str) -> str:
        url = self.redis.url(USER_OF[name])
        return f"env REDIS_URL={url} BROKER_URL={url}"

    def logs(self) -> dict[str, str]:
        """What each process has written."""
        return {
            file.name: file.read_text(errors="replace")
            for file in (self.system.data.path / "logs").glob("*.log")
        }

    def __enter__(self) -> Self:
        try:
            self.system.__enter__()
        except BaseException:
            self.redis.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.system.__exit__()
        self.redis.stop()
