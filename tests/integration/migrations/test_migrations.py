"""Migrations: from scratch, step by step, back again, and always what the models say."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from shared.db import Database
from shared.models.tables import MODELS, apps
from tests.fixtures.databases import DIALECTS, MakeDatabase
from tests.integration.migrating import ROOT, alembic_config, migrate
from tests.integration.migrations.schema import read_schema


def _schema(url: str) -> dict[str, Any]:
    db = Database(url)
    try:
        with db.engine.connect() as connection:
            return read_schema(connection)
    finally:
        db.close()


@pytest.fixture(scope="module", params=DIALECTS)
def urls(request: pytest.FixtureRequest, make_database: MakeDatabase) -> tuple[str, str]:
    """Two empty databases of one kind."""
    return make_database(request.param), make_database(request.param)


@pytest.fixture
def models_schema(urls: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """What the models would make."""
    db = Database(urls[1])
    apps.metadata.create_all(db.engine)
    yield _schema(urls[1])
    apps.metadata.drop_all(db.engine)
    db.close()


def _revisions() -> list[str]:
    script = ScriptDirectory.from_config(alembic_config("sqlite://"))
    return [revision.revision for revision in script.walk_revisions()][::-1]


def test_from_scratch_step_by_step_and_the_models_agree(
    urls: tuple[str, str], models_schema: dict[str, Any]
) -> None:
    config = alembic_config(urls[0])
    assert _schema(urls[0]) == {}

    migrate(urls[0])
    assert _schema(urls[0]) == models_schema
    command.check(config)
    stages = [_schema(urls[0])]
    for _ in _revisions():
        command.downgrade(config, "-1")
        stages.append(_schema(urls[0]))
    assert stages[-1] == {}
    for stage in stages[-2::-1]:
        command.upgrade(config, "+1")
        assert _schema(urls[0]) == stage
    command.downgrade(config, "base")


def test_running_them_again_changes_nothing(urls: tuple[str, str]) -> None:
    migrate(urls[0])
    db = Database(urls[0])
    with db.engine.connect() as connection:
        before = connection.execute(text("SELECT name, epoch FROM apps")).all()
    db.close()

    migrate(urls[0])

    db = Database(urls[0])
    with db.engine.connect() as connection:
        after = connection.execute(text("SELECT name, epoch FROM apps")).all()
    db.close()
    assert after == before
    assert [name for name, _ in after] == ["main"]
    assert len(after[0].epoch) == 16
    command.downgrade(alembic_config(urls[0]), "base")


def test_two_that_start_together_do_not_disturb_each_other(urls: tuple[str, str]) -> None:
    command_line = [sys.executable, "-m", "alembic", "upgrade", "head"]
    environment = {**os.environ, "DATABASE_URL": urls[0]}
    both = [
        subprocess.Popen(command_line, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]

    told = [process.communicate(timeout=50)[1] for process in both]

    assert [process.returncode for process in both] == [0, 0], told
    assert len(_schema(urls[0])) > 0
    command.downgrade(alembic_config(urls[0]), "base")


def test_revisions_are_one_numbered_line() -> None:
    assert _revisions() == [f"{number:04d}" for number in range(1, len(_revisions()) + 1)]


def test_every_table_has_a_model() -> None:
    assert {model.__tablename__ for model in MODELS} == set(apps.metadata.tables)
