"""python -m api.dev_key: one key, kept where only its owner reads it."""

import os
import secrets
import stat
import subprocess
import sys

import pytest

from shared.db import Database
from tests.integration.api.support import ROOT, SECRETS
from tests.integration.migrating import migrate


@pytest.fixture
def environ(tmp_path, make_database) -> dict[str, str]:
    url = make_database("sqlite")
    migrate(url)
    data = {"DATABASE_URL": url, "BELLHOP_DATA_DIR": str(tmp_path / "data"), "BELLHOP_JWT_SECRETS": SECRETS}
    return {**os.environ, **data}


def run(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.dev_key"],
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


def test_production_has_no_development_key(environ):
    environ.update(
        BELLHOP_PROFILE="production",
        BELLHOP_JWT_SECRETS=f"k1:{secrets.token_urlsafe(48)}",
        BELLHOP_FLOWER_PASSWORD=secrets.token_urlsafe(48),
        BELLHOP_ORIGINS="https://app.example",
        REDIS_URL="redis://:secret-of-redis@127.0.0.1:6379/0",
    )
    done = run(environ)

    assert (done.returncode, done.stdout) == (2, "")
    assert "POST /v1/api-keys" in done.stderr
