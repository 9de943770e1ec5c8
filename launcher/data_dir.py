"""The data directory: who uses it, the generated secrets, and what is remembered from start to start.

Starting again must find the same data, so everything that was chosen once (secrets, the Redis port) is kept here,
readable by its owner only.
"""

import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

from launcher import redis_server
from launcher.waiting import wait_for
from shared.config.production import DEVELOPMENT_KID

_PRIVATE = 0o700
# Longer than the guard needs to end everything, see launcher.guard.
LOCK_SECONDS = 20.0


class DataDirInUseError(Exception):
    """Another launcher runs on this directory."""


class DataDir:
    """One data directory, made when it is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        for folder in (self.path, self.secrets, self.redis, self.metrics):
            folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        self._lock: IO[str] | None = None

    @property
    def secrets(self) -> Path:
        """The folder of generated secrets, a file each."""
        return self.path / "secrets"

    @property
    def redis(self) -> Path:
        """The folder of the embedded Redis."""
        return self.path / "redis"

    @property
    def redis_log(self) -> Path:
        """What the embedded Redis says."""
        return self.redis / redis_server.LOG

    @property
    def metrics(self) -> Path:
        """The folder where processes of one service share their metrics."""
        return self.path / "metrics"

    @property
    def flower_password(self) -> Path:
        """The file with Flower's generated password."""
        return self.secrets / "flower_password"

    @property
    def jwt_secrets(self) -> Path:
        """The file with the generated JWT secret."""
        return self.secrets / "jwt_secrets"

    def lock(self, *, patience: float = LOCK_SECONDS) -> None:
        """Claim the directory for this process; the claim ends with it, however it ends.

        The guard of a launcher that was killed holds on to the claim until the last process has ended: two Redis
        servers on one directory would destroy its data. That is waited for; a living launcher is not.
        """
        file = (self.path / "lock").open("a+")
        if not wait_for(lambda: _try_lock(file) or _owner_lives(file), seconds=patience) or not _try_lock(
            file
        ):
            owner = _owner(file)
            file.close()
            raise DataDirInUseError(
                f"{self.path} is in use by another Bellhop (process {owner or 'unknown'})"
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._lock = file

    def lock_descriptor(self) -> int | None:
        """Return the descriptor that carries the claim, for the guard."""
        return None if self._lock is None else self._lock.fileno()

    def unlock(self) -> None:
        """Give the directory up."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def generate_secrets(self) -> None:
        """Make the development secrets that are not there yet."""
        keep(self.jwt_secrets, lambda: f"{DEVELOPMENT_KID}:{secrets.token_urlsafe(48)}")
        keep(self.flower_password, lambda: secrets.token_urlsafe(18))

    def redis_port(self, choose: Callable[[], int], usable: Callable[[int], bool]) -> int:
        """Return the remembered port of the embedded Redis, or choose and remember another."""
        file = self.path / "redis.port"
        if file.exists() and usable(port := int(file.read_text())):
            return port
        port = choose()
        write_private(file, str(port))
        return port


def keep(file: Path, make: Callable[[], str]) -> str:
    """Return the content of a private file, making it the first time."""
    if not file.exists():
        write_private(file, make())
    return file.read_text(encoding="utf-8").strip()


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as out:
        out.write(text + "\n")
    draft.replace(file)


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _owner(file: IO[str]) -> int:
    file.seek(0)
    text = file.read().strip()
    return int(text) if text.isdigit() else 0


def _owner_lives(file: IO[str]) -> bool:
    owner = _owner(file)
    if not owner:
        return False
    try:
        os.kill(owner, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
