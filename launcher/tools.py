"""The small commands: a user's token, the development API key, the migration, one process alone."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from launcher.database import development_key, migrate
from launcher.environment import ROOT
from launcher.preparation import Preparation
from launcher.procfile import parse
from shared.auth import tokens
from shared.clock import SystemClock
from shared.config import ConfigError, load


def print_token(environ: Mapping[str, str], data_dir: Path, *, user: str, app: str, ttl: int | None) -> None:
    """Print a token for a user, signed with the secret of this data directory or environment."""
    settings = _prepare(environ, data_dir).settings
    if not settings.signing_keys():
        raise ConfigError(["BELLHOP_JWT_SECRETS is required to sign a token"])
    life = settings.token_ttl if ttl is None else ttl
    if life > settings.token_life_max:
        raise ConfigError([f"--ttl is more than any token may live: {settings.token_life_max} seconds"])
    print(tokens.issue(settings, user=user, app=app, ttl=life, now=SystemClock().now_ms()))


def print_key(environ: Mapping[str, str], data_dir: Path) -> None:
    """Print the development API key, making it (and the database) the first time."""
    preparation = _prepare(environ, data_dir)
    if preparation.settings.profile != "development":
        raise ConfigError(["the development API key exists in the development profile only"])
    children = preparation.environment()
    migrate(children)
    print(development_key(children))


def migrate_database(environ: Mapping[str, str], data_dir: Path) -> None:
    """Bring the database of this data directory or environment to the newest schema."""
    migrate(_prepare(environ, data_dir).environment())


def become(name: str, environ: Mapping[str, str]) -> NoReturn:
    """Turn this process into one of the Procfile, so that a container runs the same command as `make run`."""
    commands = parse((ROOT / "Procfile").read_text(encoding="utf-8"))
    if name not in commands:
        raise ConfigError([f"the Procfile has no process {name!r}; it has {', '.join(commands)}"])
    if (metrics := load(environ).metrics_dir) is not None:
        empty(metrics)
    os.execve("/bin/sh", ["sh", "-c", f"exec {commands[name]}"], dict(environ))  # noqa: S606  # our own file


def empty(folder: Path) -> None:
    """Forget the metrics of a former life: their files carry process ids that come again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)  # it stays if it is a mount of its own


def _prepare(environ: Mapping[str, str], data_dir: Path) -> Preparation:
    preparation = Preparation(environ, data_dir)
    if problems := list(preparation.problems([])):
        raise ConfigError(problems)
    return preparation
