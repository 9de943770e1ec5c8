"""The schema of a database as the server itself tells it, to compare two databases."""

import re
from typing import Any

from sqlalchemy import Connection, text

_POSTGRES = {
    "columns": """
        SELECT table_name, ordinal_position, column_name, data_type, character_maximum_length, is_nullable,
            column_default FROM information_schema.columns WHERE table_schema = 'public'""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace""",
    "storage": """
        SELECT relname, relkind::text, reloptions::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace""",
}


def _mariadb(statement: str) -> tuple[list[str], set[str]]:
    """Columns in their order; keys, which have none; without the number that the next row gets."""
    lines = [line.strip(" ,") for line in re.sub(r" AUTO_INCREMENT=\d+", "", statement).splitlines()]
    columns = [line for line in lines if line.startswith("`")]
    return columns, set(lines) - set(columns)


def _sqlite(statement: str) -> tuple[list[str], set[str]]:
    """Columns in their order; constraints, which have none: a column that was added later stands after them."""
    head, _, body = " ".join(statement.split()).partition("(")
    if not head.startswith("CREATE TABLE"):
        return [" ".join(statement.split())], set()
    # Parts are parted by commas, but for those within parentheses.
    parts = [part.strip() for part in re.split(r",(?![^(]*\))", body.removesuffix(")"))]
    constraints = {part for part in parts if part.startswith("CONSTRAINT")}
    return [head, *(part for part in parts if part not in constraints)], constraints


def read_schema(connection: Connection) -> dict[str, Any]:
    """All tables, columns, indexes and constraints but Alembic's own."""
    match connection.dialect.name:
        case "sqlite":
            rows = connection.execute(
                text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
            )
            found = {name: _sqlite(sql) for name, sql in rows}
        case "mysql":
            tables = list(connection.execute(text("SHOW TABLES")).scalars())
            found = {
                name: _mariadb(connection.execute(text(f"SHOW CREATE TABLE `{name}`")).one()[1])
                for name in tables
            }
        case _:
            found = {
                f"{kind} {row[0]} {row[1]}": tuple(row)
                for kind, query in _POSTGRES.items()
                for row in connection.execute(text(query.replace("::", "\\:\\:")))
            }
    return {name: value for name, value in found.items() if "alembic_version" not in name}
