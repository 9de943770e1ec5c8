"""The path of a notification in docs/architecture.md is the path in the code."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
FILE = re.compile(r"`((?:api|workers|wsnode|shared|tests|launcher|clients)/[\w/.-]+\.\w+)`")
HOPS = re.findall(r"^\| (\d) \| `([\w/.]+)` \|", PAGE, re.MULTILINE)


def test_the_page_names_every_hop_once_in_order():
    numbers = [int(number) for number, _ in HOPS]

    assert sorted(set(numbers)) == list(range(1, 10))
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(("number", "file"), HOPS)
def test_the_file_of_each_hop_says_so_in_its_first_line(number: str, file: str):
    docstring = ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8"))) or ""

    assert re.search(rf"\bHops? .*\b{number}\b.* of 9\b", docstring.splitlines()[0]), docstring.splitlines()[
        0
    ]


def test_every_file_that_a_page_names_exists():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    named = {(page.name, path) for page in pages for path in FILE.findall(page.read_text(encoding="utf-8"))}

    assert not [(page, path) for page, path in sorted(named) if not (ROOT / path).exists()]


def test_every_link_of_a_page_leads_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    broken = [
        (page.name, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]

    assert not broken
