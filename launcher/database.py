"""What the launcher needs of the database: the newest schema and the development API key.

Both run as processes of their own with the children's environment: the launcher itself loads no SQL, and what they
print is shown only when they fail.
"""

import subprocess
import sys
from collections.abc import Mapping

from launcher.environment import ROOT

_SECONDS = 120


class PreparationError(Exception):
    """A step before the start failed; the message carries its output."""


def migrate(environ: Mapping[str, str]) -> None:
    """Bring the database to the newest schema."""
    _run("the database migration", ["alembic", "upgrade", "head"], environ)


def development_key(environ: Mapping[str, str]) -> str:
    """Return the development API key; api makes it the first time and keeps it in the data directory."""
    return _run("making the development API key", ["api.dev_key"], environ).strip().splitlines()[-1]


def end_epochs(environ: Mapping[str, str]) -> str:
    """Give every app a new epoch and let Redis forget the old one; what was done, for people."""
    return _run("ending the epoch", ["workers.epoch"], environ)


def _run(what: str, module: list[str], environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-m", *module],
            env=dict(environ),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PreparationError(f"{what} did not end within {_SECONDS} seconds") from None
    if done.returncode != 0:
        raise PreparationError(f"{what} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
