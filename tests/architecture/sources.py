"""Reads the project's own source for the architecture tests, through its syntax trees."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = ("api", "workers", "wsnode", "launcher")
PACKAGES = (*PROCESSES, "shared")


@dataclass(frozen=True)
class Source:
    """One Python file of ours."""

    path: Path

    @property
    def name(self) -> str:
        """The path from the project root, with slashes."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def module(self) -> str:
        """The dotted name."""
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def imports(self) -> Iterator[tuple[str, ast.Import | ast.ImportFrom]]:
        """Every module this file imports, inside functions too; for `from a import b` both `a` and `a.b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module, node
                yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)

    def strings(self) -> Iterator[tuple[str, int]]:
        """Every text constant that is not a docstring, parts of f-strings included, with its line."""
        statements = {
            id(node.value)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
                yield node.value, node.lineno


@lru_cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every file of these folders, by default of all packages."""
    found = (path for folder in folders or PACKAGES for path in (ROOT / folder).rglob("*.py"))
    return tuple(Source(path) for path in sorted(found) if "node_modules" not in path.parts)


def within(module: str, parent: str) -> bool:
    """Tell whether a dotted name is this module or one below it."""
    return module == parent or module.startswith(f"{parent}.")
