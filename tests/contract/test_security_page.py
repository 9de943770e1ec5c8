"""docs/security.md names tests that exist, for every threat at least one."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`((?:tests|drills)/[\w/]+\.py)(?:::(\w+))?`", PAGE)
THREATS = 28


def test_every_test_that_the_page_names_exists() -> None:
    missing = [f"{path}::{name}" for path, name in NAMED if not _exists(path, name)]
    assert not missing


def _exists(path: str, name: str) -> bool:
    file = ROOT / path
    return file.is_file() and (not name or f"def {name}(" in file.read_text())


def test_every_threat_names_what_shows_it() -> None:
    rows = re.findall(r"^\| (T\d+) \|(.*)$", PAGE, re.MULTILINE)
    assert [number for number, _ in rows] == [f"T{number}" for number in range(1, THREATS + 1)]
    assert [number for number, row in rows if "`tests/" not in row] == []
