"""What clients emit, as frames of the native dialect."""

from typing import Any

import pytest

from wsnode.socketio import meaning
from wsnode.socketio.meaning import NotUnderstood
from wsnode.socketio.packets import Event


def frame(name: str, *args: Any, id: int | None = None) -> dict[str, Any] | None:
    return meaning.frame(Event(name, list(args), id), serial=5)


def test_an_event_is_the_native_frame_of_its_name():
    assert frame("ack", {"me": 3}) == {"type": "ack", "me": 3, "ref": "emit 5"}
    assert frame("read", {"ids": []}, id=7) == {"type": "read", "ids": [], "ref": "callback 7"}
    assert frame("read", {"ids": [], "ref": "mine"}) == {"type": "read", "ids": [], "ref": "mine"}
    assert frame("read", {"ids": [], "ref": "mine", "type": "x"}, id=0) == {
        "type": "read",
        "ids": [],
        "ref": "callback 0",
    }
    assert frame("watch") == {"type": "watch", "ref": "emit 5"}


def test_what_an_earlier_design_sends():
    asked = {"recipientId": "user-123", "message": "Hello", "extra": 1}
    assert frame("send_notification", asked, id=2) == {
        "type": "send",
        "ref": "callback 2",
        "to": {"users": ["user-123"]},
        "event": "notification",
        "data": {"message": "Hello"},
    }
    more = frame("send_notification", {"recipientId": 19, "data": {"a": 1}, "event": "order.paid"})
    assert more is not None
    assert (more["to"], more["event"], more["data"]) == ({"users": ["19"]}, "order.paid", {"a": 1})


@pytest.mark.parametrize(
    "fields",
    [
        None,
        "x",
        {},
        {"recipientId": "u"},
        {"message": "m"},
        {"recipientId": True, "message": "m"},
        {"recipientId": "", "message": "m"},
        {"recipientId": "u", "message": ""},
    ],
)
def test_what_cannot_be_sent(fields: Any):
    with pytest.raises(NotUnderstood):
        frame("send_notification", fields)


@pytest.mark.parametrize(("name", "args"), [("message", ["hello"]), ("auth", [{"token": "t"}]), ("x", [1])])
def test_what_is_ignored(name: str, args: list[Any]):
    assert frame(name, *args) is None


def test_refs_lead_back_to_the_callback():
    assert meaning.callback_of("callback 12") == 12
    assert meaning.callback_of("callback x") is None
    assert meaning.callback_of("mine") is None
    assert meaning.callback_of(12) is None
    assert meaning.is_silent("emit 5") and meaning.is_silent(None)
    assert not meaning.is_silent("callback 5") and not meaning.is_silent(5)
