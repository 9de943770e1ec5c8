"""How a database reads what is asked of it."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import event, text

from shared.db import Database


def analyze(db: Database, *tables: str) -> None:
    """Let the planner know how many rows there are."""
    statement = f"ANALYZE TABLE {', '.join(tables)}" if db.dialect == "mysql" else "ANALYZE"
    db.run(lambda session: session.execute(text(statement)))


def plans(db: Database, table: str, ask: Callable[[], Any]) -> list[str]:
    """The plans of those statements that read `table` while `ask` runs."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *more: Any) -> None:
        if f"FROM {table}" in statement:
            asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if db.dialect == "sqlite" else "EXPLAIN "
    with db.engine.connect() as connection:
        return [
            "\n".join(str(row) for row in connection.exec_driver_sql(explain + statement, parameters))
            for statement, parameters in asked
        ]
