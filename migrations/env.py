"""Composition root of Alembic: which database, and which models it is compared with.

One process migrates at a time: two that start together would both see an empty database. The URL is the caller's
(`config.attributes["database_url"]`, as the launcher and the tests do) or that of the settings.
"""

import os
from typing import Final

from alembic import context
from sqlalchemy import Connection, text

from shared.config import load
from shared.db import Database
from shared.models.tables import apps

LOCK_SECONDS: Final = 60
LOCK_NUMBER: Final = 7_262_853_201


def _url() -> str:
    given = context.config.attributes.get("database_url")
    return str(given) if given else load(os.environ).database_url


def _wait_for_turn(connection: Connection) -> None:
    """Take the server's migration lock; it goes with the connection. SQLite's writing transaction is one by itself."""
    match connection.dialect.name:
        case "postgresql":
            connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_SECONDS}s'")
            connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": LOCK_NUMBER})
        case "mysql":
            lock = text("SELECT GET_LOCK(CONCAT('bellhop_migration_', MD5(DATABASE())), :seconds)")
            if not connection.execute(lock, {"seconds": LOCK_SECONDS}).scalar():
                raise TimeoutError("another process has been migrating this database for a minute")
    connection.commit()


def _migrate() -> None:
    database = Database(_url())
    try:
        with database.engine.connect() as connection:
            _wait_for_turn(connection)
            context.configure(
                connection=connection,
                target_metadata=apps.metadata,
                compare_type=True,
                # Alembic thinks SQLite cannot; with our BEGIN it can. MariaDB commits at each CREATE TABLE.
                transactional_ddl=connection.dialect.name != "mysql",
            )
            with context.begin_transaction():
                context.run_migrations()
            connection.commit()
    finally:
        database.close()


_migrate()
