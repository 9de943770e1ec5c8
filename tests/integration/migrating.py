"""Alembic on a database of the tests' own."""

from pathlib import Path

from alembic import command
from alembic.config import Config

ROOT = Path(__file__).parents[2]


def alembic_config(url: str) -> Config:
    """The project's configuration, for that database."""
    config = Config(ROOT / "alembic.ini")
    config.attributes["database_url"] = url
    return config


def migrate(url: str) -> None:
    """Bring the database to the newest schema."""
    command.upgrade(alembic_config(url), "head")
