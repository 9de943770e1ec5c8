"""Log lines: one per event, for machines or for a terminal, without secrets."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from shared import logs

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def start() -> Iterator[Callable[..., io.StringIO]]:
    root = logging.getLogger()
    before = root.handlers[:], root.level

    def configure(log_format: str = "json", log_level: str = "info", stream: io.StringIO | None = None):
        stream = stream or io.StringIO()
        logs.configure(SimpleNamespace(log_format=log_format, log_level=log_level), "api", stream)
        return stream

    yield configure
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_process_and_logger(start: Callable[..., io.StringIO]):
    stream = start()
    logs.get("api.intake").info("accepted", members=3)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "accepted",
        "members": 3,
        "level": "info",
        "process": "api",
        "logger": "api.intake",
    }


def test_a_logger_made_before_configuration_follows_it(start: Callable[..., io.StringIO]):
    log = logs.get("early")
    stream = start()
    log.info("hello")
    assert lines(stream)[0]["process"] == "api"


def test_lines_below_the_level_are_not_written(start: Callable[..., io.StringIO]):
    stream = start(log_level="warning")
    logs.get("a").info("quiet")
    logging.getLogger("b").info("quiet")
    assert stream.getvalue() == ""


def test_the_request_id_is_in_every_line_while_it_is_bound(start: Callable[..., io.StringIO]):
    stream = start()
    logs.bind(request_id="r-1")
    logs.get("a").info("one")
    logging.getLogger("library").warning("two")
    logs.unbind("request_id")
    logs.get("a").info("three")
    assert [line.get("request_id") for line in lines(stream)] == ["r-1", "r-1", None]


@pytest.mark.parametrize(
    "field",
    ["authorization", "Authorization", "cookie", "set-cookie", "token", "access_token", "ticket", "key", "api_key",
     "apiKey", "x-api-key", "password", "flower_password", "secret", "client_secret", "jwt_secrets"],
)  # fmt: skip
@pytest.mark.parametrize("value", [TOKEN, [TOKEN], {"inner": TOKEN}, TOKEN.encode()])
def test_a_field_with_the_name_of_a_secret_is_redacted(
    start: Callable[..., io.StringIO], field: str, value: Any
):
    stream = start()
    logs.get("a").info("event", **{field: value, "headers": {field: value}})
    assert TOKEN not in stream.getvalue()
    assert lines(stream)[0][field] == logs.REDACTED


@pytest.mark.parametrize("field", ["cancel_key", "collapse_key", "thread_key", "keys", "monkey", "user"])
def test_other_fields_stay(start: Callable[..., io.StringIO], field: str):
    stream = start()
    logs.get("a").info("event", **{field: "order-17"})
    assert lines(stream)[0][field] == "order-17"


@pytest.mark.parametrize(
    "text",
    [
        f"GET /ws?token={TOKEN}&epoch=1",
        f"/socket?epoch=1&ticket={TOKEN}",
        f"/?access_token={TOKEN}#x",
        f"Authorization: Bearer {TOKEN}",
        f"bearer {TOKEN}",
        f"Sec-WebSocket-Protocol: bellhop.v1, bearer.{TOKEN}",
        f"cannot reach postgresql://ana:{TOKEN}@db/bellhop",
    ],
)
def test_secrets_inside_texts_are_redacted(start: Callable[..., io.StringIO], text: str):
    stream = start()
    logs.get("a").info("event", url=text, nested=[{"url": text}], raw=text.encode(), error=ValueError(text))
    logs.get("a").info(text)
    logging.getLogger("library").error("failed: %s", text)
    assert TOKEN not in stream.getvalue()
    assert stream.getvalue().count(logs.REDACTED) >= 6


def test_the_rest_of_a_redacted_url_stays_readable():
    assert logs.redact_text("/ws?a=1&token=abc&b=2") == "/ws?a=1&token=[redacted]&b=2"
    assert logs.redact_text("the token of ana expired") == "the token of ana expired"


def test_a_traceback_is_in_the_line_and_redacted(start: Callable[..., io.StringIO]):
    stream = start()
    try:
        raise ValueError(f"?token={TOKEN}")
    except ValueError:
        logs.get("a").exception("failed")
    assert "ValueError" in lines(stream)[0]["exception"]
    assert TOKEN not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", "\x85", "\u2028"])
def test_foreign_text_never_breaks_a_line(start: Callable[..., io.StringIO], log_format: str, ending: str):
    stream = start(log_format)
    forged = f"ana{ending}event=forged"
    logs.get("a").info("event", user=forged, nested={"user": forged})
    logs.get("a").info(forged)
    logging.getLogger("library").error(forged)
    assert stream.getvalue().rstrip("\n").count("\n") == 2
    assert "\r" not in stream.getvalue()


def test_a_terminal_gets_colours_and_no_control_characters_of_others(start: Callable[..., io.StringIO]):
    stream = start("auto", stream=Terminal())
    logs.get("a").info("event", user="\x1b[2Jgone\u202eback")
    assert "\x1b[" in stream.getvalue()
    assert "\u202e" not in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue()


def test_values_that_json_does_not_know_are_written_somehow(start: Callable[..., io.StringIO]):
    stream = start()
    logs.get("a").info("event", path=object(), deep={"a": {1: {2, 3}}}, bytes=b"\xff")
    assert lines(stream)[0]["deep"] == {"a": {"1": [2, 3]}}


def test_what_libraries_repeat_for_every_job_is_written_at_debug_only(start: Callable[..., io.StringIO]):
    stream = start()
    logging.getLogger("celery.app.trace").info("Task deliver succeeded")
    assert stream.getvalue() == ""
    logging.getLogger("celery.app.trace").error("Task deliver raised")
    stream = start(log_level="debug", stream=stream)
    logging.getLogger("celery.app.trace").info("Task deliver succeeded")
    assert len(lines(stream)) == 2
