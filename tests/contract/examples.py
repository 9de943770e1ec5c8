"""Pages whose examples are run: each request on one is sent to the real api and must be answered as the page says."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from api.routes import DEVELOPMENT, TABLE
from api.schemas.common import ErrorAnswer
from tests.contract import remarks
from tests.integration.api.support import Api, give_one_up, store_all

DOCS = Path(__file__).resolve().parents[2] / "docs"
REMARKS: dict[str, Callable[[Api], Any]] = {
    "<!-- a worker stores what was accepted -->": store_all,
    "<!-- a worker gives one up -->": give_one_up,
    "<!-- a worker publishes what is stored -->": remarks.publish_all,
    "<!-- ana's client acknowledges -->": remarks.acknowledge,
    "<!-- it is held for bob and skipped for cy -->": remarks.hold_and_skip,
    "<!-- what had a ttl of a second expires -->": remarks.expire_short_ones,
}
"""What happens between two examples."""
ANY = "…"
BAD = 400
RUNS_WITH = re.compile(r"<!-- the api runs with ((?:[A-Z_]+=\S+ )+)-->")
BLOCK = re.compile(
    r"```http\n(?P<request>.*?)```\n```json (?P<status>\d{3})(?: (?P<header>[^\n]+))?\n(?P<answer>.*?)```"
    rf"|(?P<remark>{'|'.join(map(re.escape, REMARKS))})",
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


def examples(page: Path) -> Iterator[Example]:
    """The examples of a page, in their order."""
    for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if match["remark"]:
            yield Example(match["remark"])
        else:
            yield Example(match["request"], int(match["status"]), match["header"], match["answer"].strip())


def settings_of(page: Path) -> dict[str, str]:
    """What the api of a page is started with, where the page says so."""
    found = RUNS_WITH.search(page.read_text(encoding="utf-8"))
    return dict(one.split("=", 1) for one in found[1].split()) if found else {}


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
        if example.request in REMARKS:
            REMARKS[example.request](self.api)
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


def is_examples_only(page: Path) -> bool:
    """Whether every block of the page is an example: none is skipped because it is written otherwise."""
    text = page.read_text(encoding="utf-8")
    found = sum(1 for each in examples(page) if each.status)
    return text.count("```http") == text.count("```json ") == found
