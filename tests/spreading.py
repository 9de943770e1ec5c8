"""How the tests are spread over processes: a file at a time, what takes long first.

Files that share a running system stay together, else each process would start one of its own. What takes long begins
first, so that all processes end at about the same time.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from launcher import ports

TOGETHER = ("tests/browser", "tests/compat", "tests/conformance", "tests/deploy")
"""Folders with a system for all their files."""

FIRST = (
    "tests/drills",
    "tests/deploy",
    "tests/e2e",
    "tests/compat",
    "tests/crash",
    "tests/browser",
    "tests/model",
)
"""Where one file, or one test, takes minutes."""

PROCESSES_MAX = 16


class ByFile(LoadScopeScheduling):
    """Hands out files, or whole folders where they share a system."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return next((folder for folder in TOGETHER if path.startswith(f"{folder}/")), path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Take ours."""
    return ByFile(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first; the order is else as collected."""

    def place(item: pytest.Item) -> int:
        return next(
            (at for at, folder in enumerate(FIRST) if item.nodeid.startswith(f"{folder}/")), len(FIRST)
        )

    items.sort(key=place)


def pytest_configure(config: pytest.Config) -> None:
    """Give each process ports of its own to choose from: two that look at once would find the same ones free."""
    given = getattr(config, "workerinput", None)
    if given is not None:
        number = int(given["workerid"].removeprefix("gw")) % PROCESSES_MAX
        size = len(ports.BLOCKS) // PROCESSES_MAX
        ports.BLOCKS = ports.BLOCKS[number * size : (number + 1) * size]
