"""The native dialect: text in, meaning out; events in, frames out."""

import json
from typing import Any

import pytest

from shared.ids import uuid7
from shared.protocol import frames
from shared.protocol.close_codes import CloseCode
from shared.protocol.envelope import Counts
from shared.redis.streams import Since
from wsnode import events as say
from wsnode import messages
from wsnode.dialects import native
from wsnode.messages import Ack, Auth, Mark, Ping, Refused, Send, Unreadable

ID = uuid7(1, b"0123456789")


def decode(**fields: Any) -> messages.Message:
    return native.decode(json.dumps(fields))


def shown(frame: bytes) -> dict[str, Any]:
    """The JSON inside a server frame."""
    size = frame[1]
    start = 2 if size < 126 else 4 if size == 126 else 10
    return json.loads(frame[start:])


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "null", '"x"', "NaN", "[" * 5000])
def test_what_is_no_object_is_not_answered(text: str):
    with pytest.raises(Unreadable):
        native.decode(text)


def test_acks():
    assert decode(type="ack", me=7) == Ack(7, 0)
    assert decode(type="ack", all=3) == Ack(0, 3)
    assert decode(type="ack", me=7, all=3, extra={"ignored": True}) == Ack(7, 3)


@pytest.mark.parametrize("value", [-1, 1.5, "7", True, 1 << 53, [1]])
def test_positions_are_whole_numbers(value: Any):
    assert isinstance(decode(type="ack", me=value), Refused)
    assert isinstance(decode(type="auth", token="t", since={"epoch": "e", "me": value}), Refused)


def test_auth_with_and_without_since():
    assert decode(type="auth", token="t") == Auth("t", Since(), None)
    found = decode(type="auth", token="t", since={"epoch": "e", "me": 5, "all": None, "later": 1}, ref="r")
    assert found == Auth("t", Since("e", 5, None), "r")


@pytest.mark.parametrize(
    "fields", [{}, {"token": 5}, {"token": "t", "since": 5}, {"token": "t", "since": {"epoch": 5}}]
)
def test_auth_that_is_not_understood(fields: dict[str, Any]):
    assert isinstance(decode(type="auth", **fields), Refused)


@pytest.mark.parametrize("action", native.ACTIONS)
def test_marks(action: str):
    assert decode(type=action, ids=[ID], ref=5) == Mark(action, [ID], 5)


@pytest.mark.parametrize(
    "fields",
    [
        {"ids": [ID]},
        {"ref": "r"},
        {"ref": "r", "ids": []},
        {"ref": "r", "ids": "x"},
        {"ref": "r", "ids": [5]},
        {"ref": "r", "ids": ["not-an-id"]},
        {"ref": "r", "ids": [ID] * (native.IDS_MAX + 1)},
    ],
)
def test_marks_that_are_not_understood_say_why_and_carry_the_ref(fields: dict[str, Any]):
    found = decode(type="read", **fields)
    assert isinstance(found, Refused)
    assert (found.code, found.ref) == ("invalid_request", fields.get("ref"))


@pytest.mark.parametrize("kind", [None, 5, "subscribe", "welcome", {}])
def test_an_unknown_type_is_an_error_with_its_ref(kind: Any):
    found = decode(type=kind, ref="r1")
    assert (found.code, found.ref) == ("unknown_type", "r1")  # type: ignore[union-attr]


@pytest.mark.parametrize("ref", ["x" * 65, 1.5, True, [], {}])
def test_a_ref_is_short(ref: Any):
    assert decode(type="ping", ref=ref) == Refused(
        "invalid_request", decode(type="ping", ref=ref).message, None
    )  # type: ignore[union-attr]


def test_ping():
    assert decode(type="ping") == Ping(None)
    assert shown(native.pong(None)) == {"type": "pong"}
    assert shown(native.pong(3)) == {"type": "pong", "ref": 3}


def test_a_notification_is_the_head_and_the_workers_own_bytes():
    text = frames.fragment(id=ID, event="e", data_json='{"a": 1}', sent_at_ms=0, expires_at_ms=1)
    frame = native.notification("me", 7, 6, text.encode())
    assert frame.endswith(text.encode())
    assert shown(frame) == {
        "type": "notification",
        "stream": "me",
        "seq": 7,
        "prev": 6,
        "id": ID,
        "event": "e",
        "data": {"a": 1},
        "sent_at": "1970-01-01T00:00:00.000Z",
        "expires_at": "1970-01-01T00:00:00.001Z",
    }


def test_welcome_has_every_field_even_if_null():
    event = say.Welcome("e", None, 3, None, None, None)
    assert shown(native.welcome(event, connection="n.1", user="ana", expires_at=1500)) == {
        "type": "welcome",
        "connection": "n.1",
        "user": "ana",
        "epoch": "e",
        "me": None,
        "all": 3,
        "recovered": None,
        "counts": None,
        "rev": None,
        "expires_at": "1970-01-01T00:00:01.500Z",
    }


def test_the_other_frames():
    counts = {"total": 4, "unseen": 3, "unread": 2, "archived": 1}
    assert shown(native.caught_up(say.CaughtUp(1, 2, recovered=True))) == {
        "type": "caught_up",
        "me": 1,
        "all": 2,
        "recovered": True,
    }
    assert shown(native.told(say.Told(Counts(4, 3, 2, 1), 9))) == {
        "type": "state",
        "ids": [],
        "counts": counts,
        "rev": 9,
    }
    assert shown(native.position("all", 1, 2)) == {"type": "position", "stream": "all", "prev": 1, "seq": 2}


def test_bye_says_whether_to_come_back():
    again = shown(native.bye(CloseCode.GOING_AWAY, "drain", retry_after=1.5))
    assert again == {"type": "bye", "code": 4012, "reason": "drain", "reconnect": True, "retry_after": 1.5}
    never = shown(native.bye(CloseCode.CREDENTIAL_INVALID, "no", retry_after=1.5))
    assert (never["reconnect"], never["retry_after"]) == (False, None)


def test_what_is_sent_is_handed_on_as_it_stands():
    fields = {"to": {"users": ["bob"]}, "event": "chat", "data": {"a": 1}, "ref": "r", "later": 1}
    assert decode(type="send", **fields) == Send({"type": "send", **fields}, "r")


@pytest.mark.parametrize("to", ["bob", {"users": ["bob"]}])
def test_a_message_is_sent_to_whom_it_names(to: Any):
    found = decode(type="message", to=to, body="hi", ref=1)
    assert isinstance(found, Send)
    assert (found.doc["to"], found.doc["event"]) == ({"users": ["bob"]}, "message")
    assert found.doc["data"] == {"message": "hi"}


def test_a_message_to_a_conversation_is_refused_for_now():
    found = decode(type="message", conversation="c", body="hi", ref=1)
    assert isinstance(found, Refused) and (found.code, found.ref) == ("not_supported", 1)


@pytest.mark.parametrize("kind", ["send", "message"])
def test_what_is_sent_needs_a_ref(kind: str):
    found = decode(type=kind, to={"users": ["bob"]}, event="chat")
    assert isinstance(found, Refused) and found.code == "invalid_request"


@pytest.mark.parametrize("kind", [None, 5, ["ack"], {}])
def test_a_type_that_is_no_text_is_unknown(kind: Any):
    found = decode(type=kind)
    assert isinstance(found, Refused) and found.code == "unknown_type"
