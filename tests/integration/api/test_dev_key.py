"""python -m api.dev_key: one key, kept where only its owner reads it; python -m api.first_key: one for production."""

import os
import secrets
import stat
import subprocess
import sys

import pytest

from api.keys import Keys
from shared.auth import api_keys
from shared.auth.principal import KEY_SCOPES
from shared.clock import SystemClock
from shared.db import Database
from tests.integration.api.support import ROOT, SECRETS
from tests.integration.migrating import migrate


@pytest.fixture
def environ(tmp_path, make_database) -> dict[str, str]:
    url = make_database("sqlite")
    migrate(url)
    data = {"DATABASE_URL": url, "BELLHOP_DATA_DIR": str(tmp_path / "data"), "BELLHOP_JWT_SECRETS": SECRETS}
    return {**os.environ, **data}


def run(
    environ: dict[str, str], module: str = "api.dev_key", *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_key_is_made_once_and_stands_on_the_last_line(environ, tmp_path):
    first, second = run(environ), run(environ)

    assert first.returncode == second.returncode == 0, first.stderr
    key = first.stdout.splitlines()[-1]
    assert key.startswith("bh_")
    assert second.stdout == first.stdout
    file = tmp_path / "data" / "dev_api_key"
    assert file.read_text().strip() == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_that_the_database_does_not_know_is_made_anew(environ, make_database):
    first = run(environ).stdout
    other = make_database("sqlite")
    migrate(other)

    second = run({**environ, "DATABASE_URL": other})
    assert second.returncode == 0
    assert second.stdout != first


def test_a_key_of_an_earlier_version_that_lacks_a_scope_is_made_anew(environ):
    first = run(environ).stdout
    database = Database(environ["DATABASE_URL"])
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE api_keys SET scopes = replace(scopes, 'topics:write', '')")
    database.close()

    second = run(environ).stdout
    assert second != first
    assert run(environ).stdout == second


def in_production(environ: dict[str, str]) -> None:
    environ.update(
        BELLHOP_PROFILE="production",
        BELLHOP_JWT_SECRETS=f"k1:{secrets.token_urlsafe(48)}",
        BELLHOP_FLOWER_PASSWORD=secrets.token_urlsafe(48),
        BELLHOP_ORIGINS="https://app.example",
        REDIS_URL="redis://:secret-of-redis@127.0.0.1:6379/0",
    )


def test_production_has_no_development_key(environ):
    in_production(environ)
    done = run(environ)

    assert (done.returncode, done.stdout) == (2, "")
    assert "POST /v1/api-keys" in done.stderr


def test_the_first_key_of_production_is_printed_and_holds_every_scope(environ):
    in_production(environ)
    done = run(environ, "api.first_key", "ours")

    assert done.returncode == 0, done.stderr
    key = api_keys.parse(done.stdout.splitlines()[-1])
    database = Database(environ["DATABASE_URL"])
    found = Keys(database, SystemClock(), random=os.urandom).load(key.id)
    database.close()
    assert api_keys.matches(key.hash, found.hash)
    assert set(found.scopes) == KEY_SCOPES


def test_without_a_database_no_first_key_is_promised(environ, tmp_path):
    environ["DATABASE_URL"] = f"sqlite:///{tmp_path}/empty.db"
    in_production(environ)
    done = run(environ, "api.first_key")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bellhop: no key was made: ")
