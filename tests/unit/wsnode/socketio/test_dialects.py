"""What Socket.IO clients are sent, as literal text."""

import json
from typing import Any

import pytest

from shared.errors import InvalidRequest
from shared.protocol import frames
from shared.protocol.close_codes import CloseCode
from shared.protocol.envelope import Counts
from wsnode import events as say
from wsnode import messages
from wsnode.messages import Refused
from wsnode.socketio import dialects, mailbox
from wsnode.socketio.dialects import NEW, PLAIN, V1

ID = "0199a0c0-0000-7000-8000-000000000001"
SENT = "2026-11-20T07:56:19.123Z"


def fragment(data: Any) -> bytes:
    text = frames.fragment(
        id=ID,
        event="order.paid",
        data_json=json.dumps(data),
        sent_at_ms=1795161379123,
        expires_at_ms=1795161380000,
    )
    return text.encode()


def texts(sent: bytes) -> list[str]:
    return [packet.decode() for packet in mailbox.packets(sent)]


def event(sent: bytes) -> list[Any]:
    (text,) = texts(sent)
    return json.loads(text.lstrip("0123456789"))


def test_a_notification_of_the_plain_design():
    name, data, meta = event(PLAIN.notification("me", 7, 6, fragment({"n": 1}), "ana"))
    assert (name, data) == ("notification", {"n": 1})
    assert meta == {
        "id": ID,
        "event": "order.paid",
        "sent_at": SENT,
        "expires_at": "2026-11-20T07:56:20.000Z",
        "stream": "me",
        "seq": 7,
    }


@pytest.mark.parametrize("value", ["text", [1], 7, True, {"$value": 7}], ids=repr)
def test_what_stands_for_a_value_is_the_value_in_the_plain_design(value: Any):
    _, data, meta = event(PLAIN.notification("me", 7, 6, fragment({"$value": value}), "ana"))
    assert (data, meta["id"]) == (value, ID)


def test_what_only_looks_like_it_is_left_as_it_is():
    data = {"$value": 1, "more": 2}
    assert event(PLAIN.notification("me", 7, 6, fragment(data), "ana"))[1] == data


def test_a_notification_of_the_new_design():
    name, shown = event(NEW.notification("me", 7, 6, fragment({"message": "hi", "n": 1}), "ana"))
    assert name == "new_notification"
    assert shown == {
        "id": ID,
        "recipientId": "ana",
        "senderId": None,
        "event": "order.paid",
        "message": "hi",
        "data": {"message": "hi", "n": 1},
        "createdAt": SENT,
    }
    assert event(NEW.notification("all", 7, 6, fragment([1]), None))[1]["recipientId"] is None


@pytest.mark.parametrize("dialect", [PLAIN, NEW])
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ('","data":{"message":"not this"},"sent_at":"', {"message": "this"}),
        (
            "order.paid",
            {"a": '","data":1,"sent_at":"2000', "message": ',"sent_at":"x', "deep": {"message": 1}},
        ),
        ("order.paid", '","data":"'),
        ("order.paid", ["message"]),
        ("order.paid", None),
    ],
)
def test_what_looks_like_a_frame_inside_of_one_changes_nothing(dialect, name, data):
    text = frames.fragment(
        id=ID, event=name, data_json=json.dumps(data), sent_at_ms=1, expires_at_ms=2, replaces=ID
    )
    found = event(dialect.notification("me", 7, 6, text.encode(), '","'))
    shown = found[1] if dialect is NEW else found[2] | {"data": found[1]}
    assert (shown["event"], shown["data"]) == (name, data)
    if dialect is NEW:
        assert shown["message"] == (data["message"] if isinstance(data, dict) else None)
        assert (shown["recipientId"], shown["createdAt"]) == ('","', "1970-01-01T00:00:00.001Z")
    else:
        assert shown["replaces"] == ID


def test_a_user_who_sent_it_is_named():
    text = frames.fragment(
        id=ID, event="chat", data_json="{}", sent_at_ms=1, expires_at_ms=2, sender='user:b"o', replaces=ID
    )
    assert event(NEW.notification("me", 1, 0, text.encode(), "ana"))[1]["senderId"] == 'b"o'
    assert event(PLAIN.notification("me", 1, 0, text.encode(), "ana"))[2]["from"] == 'b"o'


def test_a_notification_of_v1_is_the_native_frame_and_can_be_answered():
    sent = V1.notification("me", 7, 6, fragment({"n": 1}), "ana")
    assert texts(sent)[0].startswith(
        '4214["notification",{"type":"notification","stream":"me","seq":7,"prev":6,'
    )
    assert event(sent)[1]["data"] == {"n": 1}
    assert dialects.position_of(14) == (7, 0)
    assert texts(V1.notification("all", 7, 6, fragment({}), None))[0].startswith("4215[")
    assert dialects.position_of(15) == (0, 7)


def test_v1_has_every_native_frame_as_an_event_of_its_type():
    welcome = say.Welcome("e", 1, 2, True, None, None)
    sent = (
        V1.welcome(welcome, connection="c", user="ana", expires_at=None)
        + V1.position("me", 1, 3)
        + V1.caught_up(say.CaughtUp(1, 2, True))
        + V1.told(say.Told(Counts(1, 1, 1, 0), 3))
        + V1.state({"type": "state", "ids": []})
        + V1.retract([ID], "cancelled")
        + V1.bye(CloseCode.GOING_AWAY, "the node is going away", retry_after=1.5)
    )
    found = [json.loads(text[2:]) for text in texts(sent)]
    names = ["welcome", "position", "caught_up", "state", "state", "retract", "bye"]
    assert [name for name, _ in found] == names
    assert [doc["type"] for _, doc in found] == names


@pytest.mark.parametrize("dialect", [PLAIN, NEW])
def test_earlier_designs_hear_of_nothing_else(dialect):
    welcome = say.Welcome("e", 1, 2, True, None, None)
    assert not dialect.welcome(welcome, connection="c", user="ana", expires_at=None)
    assert not dialect.position("me", 1, 3)
    assert not dialect.caught_up(say.CaughtUp(1, 2, True))
    assert not dialect.told(say.Told(Counts(1, 1, 1, 0), 3))
    assert not dialect.state({})
    assert not dialect.retract([ID], "cancelled")
    assert not dialect.pong(None)
    assert not dialect.bye(CloseCode.GOING_AWAY, "x", retry_after=1)
    assert not dialect.acks


@pytest.mark.parametrize("dialect", [PLAIN, NEW, V1])
def test_only_who_is_to_stay_away_hears_disconnect(dialect):
    for code in CloseCode:
        last = texts(dialect.bye(code, "why", retry_after=1))[-1:]
        assert (last == ["41"]) == (code in (CloseCode.CREDENTIAL_INVALID, CloseCode.FORBIDDEN))


@pytest.mark.parametrize("dialect", [PLAIN, NEW, V1])
def test_answers_go_to_the_callback(dialect):
    good = messages.reply("callback 3", {"id": ID, "status": "sent"})
    assert texts(dialect.reply(good)) == [f'433[{{"success":true,"id":"{ID}","status":"sent"}}]']
    bad = messages.error(Refused("timeout", "No answer.", "callback 4"), retryable=True)
    failure = '{"success":false,"error":"No answer.","code":"timeout","retryable":true}'
    assert texts(dialect.reply(bad)) == texts(dialect.error(bad)) == [f"434[{failure}]"]
    assert not dialect.reply(messages.reply("emit 3", {}))
    assert not dialect.error(messages.error(Refused("unknown_type", "?", "emit 3")))


def test_v1_answers_a_ref_of_the_clients_own_by_an_event():
    assert texts(V1.reply(messages.reply("r", {"changed": 1}))) == [
        '42["reply",{"type":"reply","ref":"r","result":{"changed":1}}]'
    ]
    assert event(V1.error(messages.error(Refused("invalid_request", "no", None))))[0] == "error"
    assert not NEW.error(messages.error(Refused("invalid_request", "no", None)))


def test_who_comes_and_goes():
    doc = {"type": "signal", "kind": "presence", "user": "bo", "online": True, "at": SENT}
    assert texts(NEW.signal(doc)) == [f'42["user_joined",{{"user":"bo","at":"{SENT}"}}]']
    assert event(PLAIN.signal(doc | {"online": False}))[0] == "user_left"
    assert [json.loads(text[2:])[0] for text in texts(V1.signal(doc))] == ["signal", "user_joined"]
    assert not NEW.signal({"type": "signal", "kind": "typing"})


def test_the_connect_packet_chooses():
    assert dialects.of({"protocol": "bellhop.v1"}, brought=True) is V1
    assert dialects.of({"token": "t"}, brought=True) is NEW
    assert dialects.of({}, brought=False) is PLAIN
    with pytest.raises(InvalidRequest):
        dialects.of({"protocol": "bellhop.v9"}, brought=True)
