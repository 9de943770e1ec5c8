"""`python -m api.dev_key`: the development API key, made the first time and printed on the last line.

Rule C, one of the places that read the environment. The database keeps only a digest, so the secret stands in a file of
the data directory that nobody else can read; a key that the database does not know any more, or that lacks a scope of
a newer version, is made anew.
"""

import os
import sys
from pathlib import Path
from typing import Final

from api.keys import Keys, Wanted
from shared.auth import api_keys
from shared.auth.principal import KEY_SCOPES
from shared.auth.tokens import MAIN_APP
from shared.clock import SystemClock
from shared.config import Settings, load_or_exit
from shared.db import Database

FILE: Final = "dev_api_key"
NAME: Final = "development"
_PRIVATE: Final = 0o600


def development_key(settings: Settings) -> str:
    """Return the secret of a key with all scopes that the database knows."""
    database = Database(settings.database_url)
    try:
        return _kept(Keys(database, SystemClock(), random=os.urandom), settings.data_dir / FILE)
    finally:
        database.close()


def _kept(keys: Keys, file: Path) -> str:
    secret = _read(file)
    if secret is not None and _is_good(keys, secret):
        return secret
    _, made = keys.make(MAIN_APP, Wanted(name=NAME, scopes=KEY_SCOPES))
    _write(file, made.secret)
    return made.secret


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _is_good(keys: Keys, secret: str) -> bool:
    presented = api_keys.parse(secret)
    stored = keys.load(presented.id) if presented else None
    if presented is None or stored is None or not api_keys.matches(presented.hash, stored.hash):
        return False
    return set(stored.scopes) >= KEY_SCOPES


def _write(file: Path, secret: str) -> None:
    """Write beside and move: whoever reads meanwhile sees the old key or the new one, and nobody else any of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(f"{secret}\n")
    new.replace(file)


def main() -> int:
    """Print it. Refused in production, where a key with all scopes is somebody's decision."""
    settings = load_or_exit(os.environ)
    if settings.profile == "production":
        print(
            "bellhop: there is no development key in production; make keys by POST /v1/api-keys",
            file=sys.stderr,
        )
        return 2
    print(development_key(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
