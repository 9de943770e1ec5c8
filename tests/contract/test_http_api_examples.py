"""docs/http-api.md: each request on the page is sent to the real api and must be answered as the page says."""

from tests.contract.examples import DOCS, Reader, examples, is_examples_only

PAGE = DOCS / "http-api.md"


def test_the_page_has_an_example_of_each_area():
    text = " ".join(example.request for example in examples(PAGE))

    for path in (
        "/v1/notifications",
        "/batch",
        "/preview",
        "/deliveries",
        "/v1/inbox",
        "/v1/users",
        "/v1/topics",
        "/v1/api-keys",
        "/readiness",
    ):
        assert path in text


def test_every_block_on_the_page_is_an_example():
    assert is_examples_only(PAGE)


def test_the_examples_are_answered_as_the_page_says(reader: Reader):
    for example in examples(PAGE):
        reader.run(example)
