"""Each dependency is documented, and the locks hold versions and hashes but no addresses."""

import re
import tomllib

from tests.architecture.sources import ROOT

NAME = re.compile(r"[A-Za-z0-9._-]+")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGE = (ROOT / "docs" / "dependencies.md").read_text()


def declared(requirements: list[str]) -> set[str]:
    return {match[0].lower() for text in requirements if (match := NAME.match(text))}


def documented(heading: str) -> dict[str, list[str]]:
    """The rows of the table under a heading: name -> its other cells."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| `")
    ]
    return {cells[0].strip("`"): cells[1:] for cells in rows}


def test_the_page_names_what_the_project_declares():
    assert set(documented("At run time")) == declared(PROJECT["project"]["dependencies"])
    assert set(documented("For development")) == declared(PROJECT["dependency-groups"]["test"])


def test_every_row_has_a_reason_a_licence_and_a_verdict():
    rows = {**documented("At run time"), **documented("For development")}
    assert not [name for name, cells in rows.items() if len(cells) != 3 or not all(cells)]


def test_locks_pin_hashes_and_carry_no_address():
    for name in ("requirements.lock", "requirements-test.lock"):
        text = (ROOT / name).read_text()
        pins = re.findall(r"^[a-z0-9._-]+==\S+", text, re.M)
        assert declared(PROJECT["project"]["dependencies"]) <= {pin.partition("==")[0] for pin in pins}
        assert text.count("--hash=sha256:") >= len(pins)
        assert not re.search(r"https?://|--(?:extra-)?index-url|--find-links", text), name
