"""Socket.IO over a WebSocket, byte by byte: from the start, on trial beside polling, and when somebody falls silent."""

import json

import pytest

from tests.integration.wsnode.client import Client, Closed, Refused, frame, wait_until
from tests.integration.wsnode.conftest import NodeProcess
from tests.integration.wsnode.poller import Poller

DIRECT = "/socket.io/?EIO=4&transport=websocket"


def text(client: Client) -> str:
    """The next packet."""
    while True:
        got = client.read()
        if got.opcode == 8:
            raise Closed(int.from_bytes(got.payload[:2]))
        if got.opcode == 1:
            return got.payload.decode()


def say(client: Client, packet: str) -> None:
    client.raw(frame(packet.encode()))


def connect(node, user: str, **auth: str) -> Client:
    client = Client(node.port, path=DIRECT)
    opening = json.loads(text(client)[1:])
    assert opening["upgrades"] == []
    say(client, "40" + json.dumps({"token": node.token(user)} | auth))
    assert text(client).startswith('40{"sid":"')
    return client


def trial(node, session: Poller) -> Client:
    return Client(node.port, path=f"{DIRECT}&sid={session.sid}")


def test_a_session_from_the_start(node, backend, user):
    with connect(node, user) as client:
        wait_until(lambda: backend.client.hget(f"stream:main:{user}", "rev") is not None)
        backend.publish(user)
        assert text(client).startswith('42["new_notification",')
        say(client, "41")
        with pytest.raises(Closed) as closed:
            text(client)
        assert closed.value.code == 1000


@pytest.mark.parametrize("said", ["x", "9", "4x", '42["a"', "42[]", "0{}"])
def test_what_is_no_packet_ends_it(node, user, said):
    with connect(node, user) as client:
        say(client, said)
        with pytest.raises(Closed) as closed:
            text(client)
        assert closed.value.code == 1007


def test_nothing_is_said_before_connect(node):
    with Client(node.port, path=DIRECT) as client:
        text(client)
        say(client, '42["read",{"ids":[]}]')
        assert text(client) == "41"
        with pytest.raises(Closed):
            text(client)


def test_a_trial_that_comes_to_nothing_costs_the_session_nothing(node, backend, user):
    session = Poller(node.port)
    session.join(token=node.token(user))
    with trial(node, session) as socket:
        say(socket, "2probe")
        assert text(socket) == "3probe"
    wait_until(lambda: backend.client.hget(f"stream:main:{user}", "rev") is not None)
    backend.publish(user)
    assert session.wait("42").startswith('42["new_notification",')


@pytest.mark.parametrize("said", ["5", "40", "2", "2prob"])
def test_who_does_not_ask_first_does_not_take_the_session_over(node, user, said):
    session = Poller(node.port)
    session.join(token=node.token(user))
    with trial(node, session) as socket:
        say(socket, said)
        with pytest.raises(Closed):
            text(socket)
    assert not session.ended()


def test_what_was_not_fetched_leaves_first_and_what_came_along_is_heard(node, backend, user):
    session = Poller(node.port)
    session.join(token=node.token(user), protocol="bellhop.v1")
    wait_until(lambda: backend.client.hget(f"stream:main:{user}", "rev") is not None)
    with trial(node, session) as socket:
        say(socket, "2probe")
        assert text(socket) == "3probe"
        backend.publish(user, count=2)
        backend.publish(user)
        # In one piece: the change, and the first event after it.
        socket.raw(frame(b"5") + frame(b'429["read",{"ids":["17"]}]'))
        seqs = []
        while len(seqs) < 3:
            packet = text(socket)
            if '["notification"' in packet:
                seqs.append(json.loads(packet[packet.index("[") :])[1]["seq"])
        assert seqs == [1, 2, 3]
        assert session.ended()


def test_a_trial_of_a_session_that_is_not_here(node):
    with pytest.raises(Refused) as refused:
        Client(node.port, path=f"{DIRECT}&sid=nobody")
    assert refused.value.status == 400


@pytest.fixture(scope="module")
def lively_node(tmp_path_factory, redis_of_module):
    """One whose heart beats fast."""
    node = NodeProcess(
        tmp_path_factory.mktemp("lively"), redis_of_module.url, ping_interval="0.6", pong_wait="0.5"
    )
    node.start()
    yield node
    node.stop()


def test_who_answers_pings_stays_and_who_is_silent_goes(lively_node, user):
    with connect(lively_node, user) as client, connect(lively_node, user) as silent:
        for _ in range(3):
            assert text(client) == "2"
            say(client, "3")
        with pytest.raises(Closed):
            all(iter(lambda: text(silent), ""))


def test_the_same_by_polling(lively_node, user):
    wait_until(lambda: lively_node.metric("bellhop_connections") == 0)
    lively, silent = Poller(lively_node.port), Poller(lively_node.port)
    for each in (lively, silent):
        each.join(token=lively_node.token(user))
    wait_until(lambda: lively.wait("2") and lively_node.metric("bellhop_connections") == 1)
    assert not lively.ended()
    assert silent.ended()
