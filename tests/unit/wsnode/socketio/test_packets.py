"""Socket.IO: packets as literal text, both ways."""

import json

import pytest

from wsnode.socketio import packets
from wsnode.socketio.packets import Answered, BadPacket, Binary, Connect, Disconnect, Elsewhere, Event


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("0", Connect("/", {})),
        ('0{"token":"t"}', Connect("/", {"token": "t"})),
        ('0/admin,{"token":"t"}', Connect("/admin", {"token": "t"})),
        ("0/admin?x=1,", Connect("/admin", {})),
        ("0[1]", Connect("/", {})),
        ('2["ack",{"me":3}]', Event("ack", [{"me": 3}], None)),
        ('212["read",{"ids":[]}]', Event("read", [{"ids": []}], 12)),
        ('2["a-b","1-2"]', Event("a-b", ["1-2"], None)),
        ("34[]", Answered(4)),
        ("1", Disconnect()),
        ('51-7["file",{"_placeholder":true,"num":0}]', Binary(7)),
        ('51-["file",{"_placeholder":true,"num":0}]', Binary(None)),
        ('61-7[{"_placeholder":true,"num":0}]', Binary(None)),
        ('2/admin,["hello"]', Elsewhere()),
        ("1/admin,", Elsewhere()),
    ],
)
def test_packets_of_a_client(text: str, means: packets.Read):
    assert packets.decode(text) == means


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "9",
        "\u0662[]",
        "2",
        "2[]",
        "2{}",
        "2[1]",
        '2["a"',
        "2" + "[" * 100_000,
        "3[]",
        "4{}",
        "2" + "9" * 120 + '["a"]',
        "29007199254740993[1]",
        '2["a",NaN]',
    ],
)
def test_what_is_not_understood(text: str):
    with pytest.raises(BadPacket):
        packets.decode(text)


def test_packets_for_a_client():
    assert packets.event("notification", {"a": 1}, None) == '42["notification",{"a":1},null]'
    assert packets.event("notification", {"a": "ä"}, id=7) == '427["notification",{"a":"ä"}]'
    assert packets.answer(3, {"success": True}) == '433[{"success":true}]'
    assert packets.connected("s") == '40{"sid":"s"}'
    assert packets.DISCONNECTED == "41"


def test_a_refusal_names_its_namespace_and_carries_data():
    assert packets.refused("/", "no") == '44{"message":"no"}'
    text = packets.refused("/admin", "Invalid namespace", {"code": "not_found"})
    assert text.startswith("44/admin,")
    assert json.loads(text[9:]) == {"message": "Invalid namespace", "data": {"code": "not_found"}}
