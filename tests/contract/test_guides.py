"""docs/guides: each request on a page is sent to the real api and must be answered as the page says."""

import re
from pathlib import Path

import pytest

from tests.contract.examples import DOCS, Reader, examples, is_examples_only

GUIDES = sorted((DOCS / "guides").glob("*.md"))
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
README = DOCS.parent / "README.md"
each_guide = pytest.mark.parametrize("page", GUIDES, ids=[page.stem for page in GUIDES])


@each_guide
def test_a_guide_is_linked_from_the_readme_and_its_links_lead_somewhere(page: Path):
    assert f"docs/guides/{page.name}" in README.read_text(encoding="utf-8")
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


@each_guide
def test_every_block_of_a_guide_is_an_example(page: Path):
    assert is_examples_only(page)


@each_guide
def test_the_examples_of_a_guide_are_answered_as_it_says(page: Path, reader: Reader):
    for example in examples(page):
        reader.run(example)
