"""What a client may send, to whom, and by which right."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import AppError, BodyTooLarge, Forbidden, InvalidRequest, NotSupported
from wsnode import drafts
from wsnode.drafts import ANYBODY, EVERYONE, NAMED, Limits, Sender, Stamp

LIMITS = Limits(ttl_default=60, ttl_max=600, entry_max=1000)
STAMP = Stamp("i1", "n.1-1", 1_000_000, None)
GOOD: dict[str, Any] = {"to": {"users": ["bob"]}, "event": "chat", "data": {"a": "é"}}


def entry(*scopes: str, **changes: Any) -> Any:
    return drafts.entry({**GOOD, **changes}, Sender("main", "ana", {*scopes}), LIMITS, STAMP)


def test_it_becomes_an_entry_of_the_user():
    made = entry(NAMED, ttl=9, thread_key="t", tags=["x"], priority="bulk")
    assert (made.sender, made.users, made.event, made.priority) == ("user:ana", ("bob",), "chat", "bulk")
    assert (json.loads(made.data_json), made.tags_json, made.thread_key) == ({"a": "é"}, '["x"]', "t")
    assert (made.accepted_at, made.expires_at, made.ttl) == (1_000_000, 1_009_000, 9)
    assert (entry(NAMED).priority, entry(NAMED).ttl, entry(NAMED).reply_to) == ("normal", 60, None)


def test_who_waits_for_it_stands_in_it():
    made = drafts.entry(GOOD, Sender("main", "ana", {NAMED}), LIMITS, STAMP._replace(reply_to=("n.1", 7)))
    assert made.reply_to == ("n.1", 7)
    assert type(made).decode(made.encode()) == made
    assert type(made).decode(replace(made, reply_to=None).encode()).reply_to is None


def test_without_a_right_nobody_sends():
    with pytest.raises(Forbidden):
        entry("inbox:read", "presence:read")


BEYOND: list[dict[str, Any]] = [
    {"to": {"topics": ["a/b"]}},
    {"to": {"everyone": True}},
    {"to": {"users": ["bob"], "topics": ["a"]}},
    {"collapse_key": "billing"},
    {"cancel_key": "billing"},
    {"priority": "critical"},
]


def test_who_may_send_to_everyone_may_so_and_no_more():
    assert entry(EVERYONE, to={"everyone": True, "exclude": {"users": ["bob"]}}).everyone
    for scopes in ([EVERYONE], [EVERYONE, NAMED]):
        for changes in BEYOND[:1] + BEYOND[2:]:
            with pytest.raises(Forbidden):
                entry(*scopes, **{"to": {"everyone": True}, **changes})
    with pytest.raises(Forbidden):
        entry(EVERYONE)


@pytest.mark.parametrize("changes", BEYOND)
def test_more_than_a_message_needs_the_larger_right(changes: dict[str, Any]):
    with pytest.raises(Forbidden):
        entry(NAMED, **changes)
    entry(ANYBODY, **changes)


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (InvalidRequest, {"to": None}),
        (InvalidRequest, {"to": "bob"}),
        (InvalidRequest, {"to": {}}),
        (InvalidRequest, {"to": {"users": []}}),
        (InvalidRequest, {"to": {"users": ["bob"], "user": "bob"}}),
        (InvalidRequest, {"to": {"users": "bob"}}),
        (InvalidRequest, {"to": {"users": [7]}}),
        (InvalidRequest, {"to": {"users": [" "]}}),
        (InvalidRequest, {"to": {"users": ["a\n"]}}),
        (InvalidRequest, {"to": {"users": ["b"] * 101}}),
        (InvalidRequest, {"to": {"topics": ["a/#"]}}),
        (InvalidRequest, {"to": {"everyone": 1}}),
        (InvalidRequest, {"to": {"everyone": True, "users": ["bob"]}}),
        (InvalidRequest, {"to": {"users": ["bob"], "exclude": ["ana"]}}),
        (NotSupported, {"to": {"conversation": "c"}}),
        (NotSupported, {"to": {"segments": ["s"]}}),
        (NotSupported, {"to": {"everyone": True, "exclude": {"topics": ["a"]}}}),
        (NotSupported, {"send_at": "2030-01-01T00:00:00Z"}),
        (InvalidRequest, {"event": None}),
        (InvalidRequest, {"event": "two words"}),
        (InvalidRequest, {"data": "text"}),
        (InvalidRequest, {"ttl": 0}),
        (InvalidRequest, {"ttl": 601}),
        (InvalidRequest, {"ttl": True}),
        (InvalidRequest, {"priority": ["bulk"]}),
        (InvalidRequest, {"priority": "high"}),
        (InvalidRequest, {"thread_key": ""}),
        (InvalidRequest, {"tags": "x"}),
        (InvalidRequest, {"tags": ["x"] * 17}),
        (InvalidRequest, {"tags": ["x" * 65]}),
        (BodyTooLarge, {"data": {"a": "x" * 1000}}),
    ],
)
def test_what_is_wrong_is_said(error: type[AppError], changes: dict[str, Any]):
    with pytest.raises(error) as caught:
        entry(ANYBODY, **changes)
    assert type(caught.value) is error


def test_the_key_of_a_repetition():
    assert drafts.key({}) is None
    assert drafts.key({"key": "k 1"}) == "k 1"
    for bad in ("", "x" * 201, 5, "a\x00"):
        with pytest.raises(InvalidRequest):
            drafts.key({"key": bad})


@pytest.mark.parametrize("data", [{"a": "x\x00"}, {"\x00": 1}, {"a": ["\\\x00"]}])
def test_nul_is_refused_as_the_http_interface_refuses_it(data: dict[str, Any]):
    with pytest.raises(InvalidRequest, match="NUL"):
        entry(NAMED, data=data)


def test_what_only_looks_like_an_escape_is_a_text():
    assert json.loads(entry(NAMED, data={"a": "\\u0000", "b": "\\\\u0000"}).data_json)["a"] == "\\u0000"


def nested(levels: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for level in range(levels - 1):
        data = {"a": [data]} if level % 2 else {"a": data}
    return data


def test_data_is_as_deep_as_the_http_interface_takes_it():
    deep: Any = {}
    for _ in range(drafts.DEPTH_MAX - 1):
        deep = {"a": deep}
    assert json.loads(entry(NAMED, data=deep).data_json) == deep
    for more in ({"a": deep}, nested(900)):
        with pytest.raises(InvalidRequest, match="31 levels"):
            entry(NAMED, data=more)
