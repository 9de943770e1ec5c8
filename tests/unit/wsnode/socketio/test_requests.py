"""What requests to /socket.io/ ask for, and what Engine.IO refuses."""

import pytest

from wsnode.handshake import Request
from wsnode.socketio import requests
from wsnode.socketio.engine import EngineError
from wsnode.socketio.requests import Open, Poll, Post, Preflight, Upgrade


def request(query: str, *, method: str = "GET", upgrade: bool = False) -> Request:
    headers = {"upgrade": "websocket"} if upgrade else {}
    return Request(method, "HTTP/1.1", "/socket.io/", query, headers)


def test_the_five_wishes():
    opened = requests.read(request("EIO=4&transport=polling&t=abc&token=x"))
    assert isinstance(opened, Open) and not opened.upgraded
    assert opened.query["token"] == ["x"]
    direct = requests.read(request("EIO=4&transport=websocket", upgrade=True))
    assert isinstance(direct, Open) and direct.upgraded
    assert requests.read(request("EIO=4&transport=polling&sid=a")) == Poll("a")
    assert requests.read(request("EIO=4&transport=polling&sid=a", method="POST")) == Post("a")
    assert requests.read(request("EIO=4&transport=websocket&sid=a", upgrade=True)) == Upgrade("a")
    assert requests.read(request("EIO=4&transport=polling&sid=a", method="OPTIONS")) == Preflight()


@pytest.mark.parametrize(
    ("query", "method", "upgrade", "code"),
    [
        ("EIO=4&transport=flashsocket", "GET", False, 0),
        ("EIO=4", "GET", False, 0),
        ("EIO=4&transport=polling&sid=" + "a" * 65, "GET", False, 1),
        ("EIO=4&transport=polling", "POST", False, 2),
        ("EIO=4&transport=websocket", "GET", False, 3),
        ("EIO=4&transport=polling", "GET", True, 3),
        ("EIO=4&transport=polling&j=0", "GET", False, 3),
        ("EIO=4&transport=polling&sid=a", "DELETE", False, 3),
        ("EIO=4&transport=websocket&sid=a", "POST", True, 3),
        ("&".join(["EIO=4"] * 21), "GET", False, 3),
        ("EIO=3&transport=polling", "GET", False, 5),
        ("transport=polling", "GET", False, 5),
        ("", "GET", False, 5),
    ],
)
def test_what_engine_io_refuses(query: str, method: str, upgrade: bool, code: int):
    with pytest.raises(EngineError) as caught:
        requests.read(request(query, method=method, upgrade=upgrade))
    assert caught.value.code == code
