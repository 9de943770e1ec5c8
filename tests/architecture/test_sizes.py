"""A file is one thing and reads in one sitting."""

import ast

from tests.architecture.sources import Source, sources

FILE_LINES = 300
FUNCTION_LINES = 40
TEST_FILE_LINES = 500
SCRIPT_LINES = 100
OURS = ("api", "workers", "wsnode", "launcher", "shared", "migrations", "clients", "bench", "drills")


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring and decorators."""
    first = node.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0)


def long_functions(source: Source) -> list[str]:
    return [
        f"{source.name}:{node.lineno} {node.name} has {function_lines(node)} lines"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and function_lines(node) > FUNCTION_LINES
    ]


def test_files_stay_short():
    long = [
        f"{source.name} has {len(source.lines)}"
        for source in sources(*OURS)
        if len(source.lines) > FILE_LINES
    ]
    assert not long


def test_functions_stay_short():
    # A migration is one list of columns; cutting it into functions would only hide the order.
    files = [source for source in sources(*OURS) if not source.name.startswith("migrations/versions/")]
    assert not [line for source in files for line in long_functions(source)]


def test_test_files_stay_readable():
    long = [
        f"{source.name} has {len(source.lines)}"
        for source in sources("tests")
        if len(source.lines) > TEST_FILE_LINES
    ]
    assert not long


def test_lua_scripts_stay_short():
    folder = next(
        source.path.parent for source in sources("shared") if source.name == "shared/redis/scripts.py"
    )
    scripts = {path.name: len(path.read_text().splitlines()) for path in (folder / "lua").glob("*.lua")}
    assert scripts
    assert not {name: lines for name, lines in scripts.items() if lines > SCRIPT_LINES}


def test_every_module_says_what_it_is():
    silent = [
        source.name for source in sources(*OURS) if source.text.strip() and not ast.get_docstring(source.tree)
    ]
    assert not silent
