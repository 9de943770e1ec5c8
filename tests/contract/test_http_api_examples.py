"""docs/http-api.md: each request on the page is sent to the real api and must be answered as the page says."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.routes import DEVELOPMENT, TABLE
from api.schemas.common import ErrorAnswer
from tests.fixtures.databases import MakeDatabase
from tests.integration.api.support import Api, give_one_up, store_all
from tests.integration.migrating import migrate

PAGE = Path(__file__).resolve().parents[2] / "docs" / "http-api.md"
STORED = "<!-- a worker stores what was accepted -->"
GIVEN_UP = "<!-- a worker gives one up -->"
ANY = "…"
BAD = 400
BLOCK = re.compile(
    r"```http\n(?P<request>.*?)```\n```json (?P<status>\d{3})(?: (?P<header>[^\n]+))?\n(?P<answer>.*?)```"
    rf"|(?P<stored>{re.escape(STORED)})|(?P<given_up>{re.escape(GIVEN_UP)})",
    re.DOTALL,
)
NAME = re.compile(r"\{([a-z][a-z ]*)\}")


@dataclass(frozen=True)
class Example:
    """One request and what the page says of its answer; or a remark: a worker does its part."""

    request: str
    status: int = 0
    header: str | None = None
    answer: str = ""


def examples() -> Iterator[Example]:
    for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if match["stored"] or match["given_up"]:
            yield Example(match["stored"] or match["given_up"])
        else:
            yield Example(match["request"], int(match["status"]), match["header"], match["answer"].strip())


def documented_answer(method: str, path: str, status: int) -> Any:
    """What the table of routes, and so /openapi.json, says of this answer."""
    if status >= BAD:
        return ErrorAnswer
    bare = path.partition("?")[0]
    for operation in (*TABLE, *DEVELOPMENT):
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", operation.path)
        # /v1/notifications/batch is no {id}: the methods differ.
        if operation.method == method and re.fullmatch(pattern, bare):
            return operation.answers[status]
    raise AssertionError(f"no route {method} {path}")


class Reader:
    """Sends the examples and remembers the names that the page gives to values."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.names: dict[str, str] = {"key": api.key}

    def run(self, example: Example) -> None:
        if example.request == STORED:
            store_all(self.api)
            return
        if example.request == GIVEN_UP:
            give_one_up(self.api)
            return
        head, _, body = example.request.strip().partition("\n\n")
        first, *lines = head.splitlines()
        method, path = self._filled(first).split(" ")
        headers = dict(self._filled(line).split(": ", 1) for line in lines)
        if body:
            headers["Content-Type"] = "application/json"
        answer = self.api.call(
            method, path, self._filled(body).encode() if body else None, auth=None, headers=headers
        )

        assert answer.status == example.status, answer.body
        if example.header:
            name, value = example.header.split(": ")
            assert answer.headers[name.lower()] == value
        documented = documented_answer(method, path, answer.status)
        if isinstance(documented, type):
            TypeAdapter(documented).validate_json(answer.body)
        if example.answer:
            self._compare(json.loads(example.answer), answer.json, first)
        else:
            assert answer.body == b""

    def _filled(self, text: str) -> str:
        return NAME.sub(lambda match: self._value(match[1]), text)

    def _value(self, name: str) -> str:
        if name.startswith("token of "):
            return self.api.token(name.removeprefix("token of "))
        return self.names[name]

    def _compare(self, expected: Any, found: Any, place: str) -> None:
        match expected:
            case dict():
                assert isinstance(found, dict), place
                assert list(expected) == list(found), place
                for key, value in expected.items():
                    self._compare(value, found[key], f"{place} {key}")
            case list():
                assert len(expected) == len(found), place
                for number, (one, other) in enumerate(zip(expected, found, strict=True)):
                    self._compare(one, other, f"{place} [{number}]")
            case str() if match := NAME.fullmatch(expected):
                assert self.names.setdefault(match[1], found) == found, place
            case _ if expected == ANY:
                assert isinstance(found, str | int | None), place
            case _:
                assert expected == found, place


@pytest.fixture(scope="module")
def reader(
    redis_server, make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reader]:
    url = make_database("sqlite")
    migrate(url)
    redis_url = redis_server.url.rpartition("/")[0] + "/8"
    with Api(tmp_path_factory.mktemp("examples"), redis_url, url) as api:
        yield Reader(api)


def test_the_page_has_an_example_of_each_area():
    text = " ".join(example.request for example in examples())

    for path in (
        "/v1/notifications",
        "/batch",
        "/deliveries",
        "/v1/inbox",
        "/v1/users",
        "/v1/api-keys",
        "/readiness",
    ):
        assert path in text


def test_every_block_on_the_page_is_an_example():
    page = PAGE.read_text(encoding="utf-8")

    assert page.count("```http") == page.count("```json ") == sum(1 for each in examples() if each.status)


def test_the_examples_are_answered_as_the_page_says(reader):
    for example in examples():
        reader.run(example)
