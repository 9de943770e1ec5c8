"""The rehearsal of docs/operations.md: back up, go on, restore the older copy, end the epoch, and everybody goes on.

Nothing is shown twice, nobody compares an old position with a new number, and what is new flows.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from launcher.environment import ROOT
from launcher.system import Ports, System
from tests.e2e.device import Device, wait_until
from tests.e2e.http import Http
from tests.fixtures.absent import absent

Restore = Callable[[], None]


def copy_sqlite(folder: Path, copy: Path) -> Restore:
    """Back up a file that is in use; returns how to put it back."""
    file = folder / "bellhop.db"
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)

    def restore() -> None:
        for leftover in folder.glob("bellhop.db-*"):
            leftover.unlink()
        shutil.copy(copy, file)

    return restore


def dump_postgresql(url: str, dump: Path) -> Restore:
    """The same with PostgreSQL's own tools."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    run = ["pg_dump", "--format=custom", f"--file={dump}", f"--dbname={address}"]
    subprocess.run(run, check=True, timeout=60)

    def restore() -> None:
        back = [
            "pg_restore",
            "--clean",
            "--if-exists",
            "--single-transaction",
            f"--dbname={address}",
            str(dump),
        ]
        subprocess.run(back, check=True, timeout=60)

    return restore


def dump_mariadb(url: str, dump: Path) -> Restore:
    """The same with MariaDB's own tools."""
    where = make_url(url)
    login = [f"--host={where.host}", f"--port={where.port or 3306}", f"--user={where.username}"]
    if where.password:
        login.append(f"--password={where.password}")
    copied = ["mariadb-dump", *login, "--single-transaction", f"--result-file={dump}", str(where.database)]
    subprocess.run(copied, check=True, timeout=60)

    def restore() -> None:
        with dump.open("rb") as statements:
            back = ["mariadb", *login, str(where.database)]
            subprocess.run(back, stdin=statements, check=True, timeout=60)

    return restore


TOOL = {"sqlite": "python3", "postgresql": "pg_dump", "mariadb": "mariadb-dump"}


def back_up(dialect: str, env: dict[str, str], folder: Path, to: Path) -> Restore:
    """A backup of the database of a running system; returns how to put it back."""
    match dialect:
        case "sqlite":
            return copy_sqlite(folder, to / "copy.db")
        case "postgresql":
            return dump_postgresql(env["DATABASE_URL"], to / "copy.dump")
        case _:
            return dump_mariadb(env["DATABASE_URL"], to / "copy.sql")


@pytest.mark.parametrize("dialect", list(TOOL))
@pytest.mark.timeout(240)
def test_after_a_restore_nothing_is_shown_twice_and_new_ones_flow(dialect, make_database, tmp_path):
    env = {"BELLHOP_LOG_FORMAT": "json"}
    if shutil.which(TOOL[dialect]) is None:
        absent(f"no {TOOL[dialect]} on this machine")
    if dialect != "sqlite":
        env["DATABASE_URL"] = make_database(dialect)
    folder, ports = tmp_path / "bellhop", Ports.free()
    with System(folder, ports=ports, env=env) as before:
        http = Http(before.url("api"), before.api_key)
        with Device(before, "ana") as ana:
            early = [http.notify("ana") for _ in range(3)]
            ana.sees(*early)
            restore = back_up(dialect, env, folder, tmp_path)
            # These are newer than the backup; the numbers that they took will be given again.
            later = [http.notify("ana") for _ in range(4)]
            everyone = http.tell_everyone(ttl=3600)
            ana.sees(*later, everyone)
    restore()

    done = subprocess.run(
        [sys.executable, "-m", "launcher", "epoch"],
        cwd=ROOT,
        env={**os.environ, **env, **ports.environment(), "BELLHOP_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "main: epoch" in done.stdout

    with System(folder, ports=ports, env=env) as after:
        http = Http(after.url("api"), after.api_key)
        with Device(after, "ana", storage=ana.storage) as back:
            wait_until(lambda: back.lost, 30, "ana is told that her position is lost")
            assert back.shown == []
            new = [http.notify("ana") for _ in range(4)]
            back.sees(*new)
            back.sees(told := http.tell_everyone(ttl=3600))
            assert back.ids() == [*new, told]
            # The numbers of the lost ones, given again, and still each was shown.
            assert [frame["seq"] for frame in back.shown] == [4, 5, 6, 7, 1]
        assert http.get(f"/v1/notifications/{early[0]}").status == 200
        assert http.get(f"/v1/notifications/{later[0]}").status == 404
        with Device(after, "ana", storage=back.storage) as again:
            assert not again.lost
            assert again.shown == []


def test_it_refuses_while_bellhop_runs_in_the_same_folder(tmp_path):
    folder, ports = tmp_path / "bellhop", Ports.free()
    with System(folder, ports=ports, only=("beat",)):
        done = subprocess.run(
            [sys.executable, "-m", "launcher", "epoch"],
            cwd=ROOT,
            env={**os.environ, **ports.environment(), "BELLHOP_DATA_DIR": str(folder)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
