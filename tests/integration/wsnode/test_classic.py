"""The classic dialect on real sockets: what is written counts as confirmed, and what was not comes again."""

from tests.integration.wsnode.client import Client, wait_until

BIG, MANY = 50_000, 100


def classic(node, user: str, **options) -> Client:
    return Client(node.port, path="/", token=node.token(user), **options)


def confirmed(backend, user: str) -> int:
    """How far the node says that the user has confirmed its own stream."""
    found = backend.client.hget("acks", f"main {user}")
    return int(found.split()[0]) if found else 0


def online(backend, user: str) -> None:
    wait_until(lambda: backend.client.hget(f"stream:main:{user}", "rev") is not None)


def test_what_was_written_does_not_come_again(node, backend, user):
    with classic(node, user) as client:
        online(backend, user)
        backend.publish(user, count=3)
        assert [client.next()["data"]["n"] for _ in range(3)] == [1, 2, 3]
        wait_until(lambda: confirmed(backend, user) == 3)
    with classic(node, user) as client:
        backend.publish(user)
        assert client.next()["data"]["n"] == 4


def test_what_a_client_that_does_not_read_was_never_sent_comes_again(node, backend, user):
    with classic(node, user, receive_buffer=4096) as client:
        online(backend, user)
        before = node.metric("bellhop_slow_disconnects_total")
        for _ in range(MANY):
            backend.publish(user, size=BIG)
        wait_until(lambda: node.metric("bellhop_slow_disconnects_total") == before + 1)
        reached = confirmed(backend, user)
        assert reached < MANY
    got: list[int] = []
    with classic(node, user) as client:
        while not got or got[-1] < MANY:
            got.append(client.next()["data"]["n"])
        wait_until(lambda: confirmed(backend, user) == MANY)
    assert got == list(range(reached + 1, MANY + 1))


def test_other_tabs_are_served_when_one_closes(node, backend, user):
    with (
        classic(node, user) as first,
        classic(node, user) as second,
        Client(node.port, token=node.token(user)) as native,
    ):
        native.online()
        online(backend, user)
        first.raw(b"\x88\x80\x00\x00\x00\x00")
        first.closed()
        backend.publish(user)
        told = native.wait("notification")
        assert second.next() == {"type": "NOTIFICATION", "data": told["data"]}


def test_paths_are_websocket_only(node):
    assert node.get("/socket")[0] == 426
    assert node.get("/")[0] == 404
