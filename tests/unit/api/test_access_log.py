"""api.access_log: the short way writes what the long way would."""

import io
import json
from types import SimpleNamespace

import pytest

from api.access_log import JsonLines, access_log
from shared import logs
from tests.unit.api.fakes import NOW, until

FIELDS = {"method": "GET", "route": "/health", "status": 200, "ms": 0.5, "request_id": "r", "caller": "-"}


def test_a_line_has_the_fields_of_every_other_line():
    short, long = io.BytesIO(), io.StringIO()
    lines = JsonLines(short, process="api", now_ms=lambda: NOW)
    lines.write(FIELDS)
    lines.flush()
    logs.configure(SimpleNamespace(log_level="info", log_format="json"), "api", long)
    logs.get("api.access").info("request", **FIELDS)

    ours, theirs = json.loads(short.getvalue()), json.loads(long.getvalue())
    assert ours.pop("timestamp") == "2026-01-01T00:00:00.000Z"
    assert theirs.pop("timestamp").endswith("Z")
    assert ours == theirs


def test_lines_of_one_turn_of_the_loop_are_written_together():
    stream = io.BytesIO()
    writes: list[bytes] = []
    stream.write = writes.append  # type: ignore[method-assign,assignment]
    lines = JsonLines(stream, process="api", now_ms=lambda: NOW)
    for _ in range(3):
        lines.write(FIELDS)
    until(lambda: bool(writes))

    assert [text.count(b"\n") for text in writes] == [3]


def test_a_write_holds_whole_lines_and_no_more_than_a_pipe_takes_at_once():
    writes: list[bytes] = []
    stream = io.BytesIO()
    stream.write = writes.append  # type: ignore[method-assign,assignment]
    lines = JsonLines(stream, process="api", now_ms=lambda: NOW)
    for _ in range(100):
        lines.write(FIELDS)
    lines.flush()

    assert max(map(len, writes)) <= 4096
    assert all(text.endswith(b"}\n") for text in writes)
    assert b"".join(writes).count(b"\n") == 100


def test_a_text_cannot_begin_a_line_of_its_own():
    stream = io.BytesIO()
    lines = JsonLines(stream, process="api", now_ms=lambda: NOW)
    lines.write({**FIELDS, "caller": 'user:a\n{"event":"forged"}\u2028'})
    lines.flush()

    assert stream.getvalue().count(b"\n") == 1


@pytest.mark.parametrize("level", ["warning", "error"])
def test_above_info_there_is_no_access_log(level, capsys):
    settings = SimpleNamespace(log_level=level, log_format="json")
    access_log(settings, process="api", now_ms=lambda: NOW)(FIELDS)

    assert capsys.readouterr().err == ""


def test_for_people_the_line_goes_the_long_way():
    settings = SimpleNamespace(log_level="info", log_format="console")
    stream = io.StringIO()
    logs.configure(settings, "api", stream)
    access_log(settings, process="api", now_ms=lambda: NOW)(FIELDS)

    assert "/health" in stream.getvalue()
