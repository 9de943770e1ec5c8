"""The classic dialect: what two earlier designs hear and say, and nothing else."""

import json
from typing import Any

import pytest

from shared.ids import uuid7
from shared.protocol import frames
from shared.protocol.close_codes import CloseCode
from shared.redis.streams import Since
from tests.unit.wsnode.test_native import shown
from wsnode import events as say
from wsnode import messages
from wsnode.dialects import classic
from wsnode.messages import IGNORED, Auth, Refresh, Refused, Send

ID = uuid7(1, b"0123456789")


def fragment(data: Any, sender: str = "key:1", **more: Any) -> bytes:
    times = {"sent_at_ms": 0, "expires_at_ms": 1}
    return frames.fragment(
        id=ID, event="x", data_json=json.dumps(data), sender=sender, **times, **more
    ).encode()


def out(data: Any, sender: str = "key:1") -> dict[str, Any]:
    return shown(classic.notification("me", 5, 4, fragment(data, sender), "ana"))


def decode(**fields: Any) -> messages.Message:
    return classic.decode(json.dumps(fields))


def test_what_a_backend_sent_arrives_as_it_was_sent():
    assert out({"message": "hi"}) == {"type": "NOTIFICATION", "data": {"message": "hi"}}
    assert out({"order": 17, "from": "a shop"})["data"] == {"order": 17, "from": "a shop"}


def test_what_stands_for_a_value_is_the_value():
    assert out({"$value": "hi"}) == {"type": "NOTIFICATION", "data": "hi"}
    assert out({"$value": 1, "more": 2})["data"] == {"$value": 1, "more": 2}


@pytest.mark.parametrize("data", [{"message": "hi"}, {"content": "hi"}])
def test_a_users_message_has_both_its_names_who_sent_it_and_its_id(data: dict[str, str]):
    assert out(data, "user:bob")["data"] == {"message": "hi", "content": "hi", "from": "bob", "id": ID}


def test_nobody_gives_himself_another_name():
    assert out({"from": "the bank", "id": "1", "a": 1}, "user:bob")["data"] == {
        "a": 1,
        "from": "bob",
        "id": ID,
    }


def test_one_frame_serves_all_receivers_and_another_notification_gets_its_own():
    one, other = fragment({"n": 1}), fragment({"n": 2})
    made = [classic.notification("me", seq, seq - 1, one, "u") for seq in (1, 9)]
    assert made[0] is made[1]
    assert shown(classic.notification("all", 1, 0, other, None))["data"] == {"n": 2}
    assert shown(classic.notification("me", 1, 0, one, "u"))["data"] == {"n": 1}


def test_of_streams_counts_and_marks_nothing_is_said():
    counts = say.Told(None, 1)  # type: ignore[arg-type]
    welcome = say.Welcome("e", 1, 1, True, None, None)
    said = [
        classic.position("me", 1, 2),
        classic.welcome(welcome, connection="n.1", user="u", expires_at=None),
        classic.caught_up(say.CaughtUp(1, 1, True)),
        classic.told(counts),
        classic.state({"type": "state"}),
        classic.retract([ID], "cancelled"),
        classic.signal({"type": "signal"}),
        classic.pong(None),
        classic.bye(CloseCode.GOING_AWAY, "bye", retry_after=1),
        classic.error(messages.error(Refused("conflict", "", None))),
    ]
    assert said == [b""] * len(said)


def test_a_sender_hears_that_it_was_sent_or_one_sentence():
    assert shown(classic.reply(messages.reply(7, {"id": ID, "status": "sent"}))) == {
        "status": "sent",
        "id": ID,
    }
    failed = {"status": "error", "message": "Failed to process message"}
    for refused in (Refused("forbidden", "no", 7), Refused("unavailable", "no", 7)):
        assert shown(classic.reply(messages.error(refused))) == failed
        assert shown(classic.error(messages.error(refused))) == failed


@pytest.mark.parametrize(
    "text",
    ["", "hello", "[]", "null", "{", '{"type":"subscribe"}', '{"type":"auth"}', '{"type":["message"]}', "{}"],
)
def test_anything_else_is_passed_over(text: str):
    assert classic.decode(text) is IGNORED


def test_auth():
    assert decode(type="auth", token="t") == Auth("t", Since(), None)
    assert decode(type="refresh", token="t") == Refresh("t", None)


def test_a_renewed_token_is_answered_with_its_end():
    answer = classic.reply(messages.reply(7, {"expires_at": "2026-11-28T23:00:00.000Z"}))
    assert shown(answer) == {"status": "refreshed", "expires_at": "2026-11-28T23:00:00.000Z"}


@pytest.mark.parametrize("nobody", [{}, {"to": None}])
def test_a_message_that_names_nobody_is_for_everyone(nobody: dict[str, Any]):
    found = decode(type="message", content="hi", **nobody)
    assert isinstance(found, Send)
    assert found.doc == {"to": {"everyone": True}, "event": "message", "data": {"message": "hi"}}


def test_a_message_to_a_conversation_is_for_nobody_else():
    found = decode(type="message", content="hi", conversation="c1")
    assert isinstance(found, Send)
    assert found.doc["to"] == {"conversation": "c1"}


@pytest.mark.parametrize(
    ("to", "users"),
    [("bob", ["bob"]), (19, ["19"]), (["bob", 7], ["bob", "7"]), ([], []), ("", [""]), (True, [True])],
)
def test_a_message_is_a_notification_for_whom_it_names(to: Any, users: list[Any]):
    doc = {"to": {"users": users}, "event": "message", "data": {"message": "hi"}}
    assert decode(type="message", to=to, content="hi") == Send(doc, None, token=None, published=True)


def test_what_a_message_holds_may_be_more_than_a_text():
    found = decode(type="message", to="bob", content={"a": [1]}, token="t")
    assert isinstance(found, Send)
    assert (found.doc["data"], found.token) == ({"a": [1]}, "t")


def test_a_token_that_is_none_does_not_pass_for_no_token():
    found = decode(type="message", to="bob", content="hi", token=5)
    assert isinstance(found, Send)
    assert found.token == ""


def test_data_is_shown_however_deep_it_is_nested():
    data: dict[str, Any] = {}
    for _ in range(253):  # with the frame around it more than orjson writes
        data = {"a": data}
    assert out(data)["data"] == data
