"""The fault proxy does to a connection what its name says, and nothing after it was healed."""

import random
import socket
import threading
import time

import pytest

from drills.faultproxy import FaultProxy

HOST = "127.0.0.1"
SHORT = 0.3


@pytest.fixture
def echo():
    """A server that sends back what it gets; its port."""
    server = socket.create_server((HOST, 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


@pytest.fixture
def proxy(echo):
    with FaultProxy(echo) as made:
        yield made


def dial(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), timeout=5)


def says(connection: socket.socket, text: bytes = b"hello") -> bytes:
    connection.sendall(text)
    return connection.recv(65536)


def silent(connection: socket.socket) -> bool:
    connection.settimeout(SHORT)
    try:
        return connection.recv(1) == b"\0"
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)


def test_it_passes_everything_on(proxy):
    with dial(proxy) as connection:
        assert says(connection) == b"hello"
        assert proxy.connections() == 1


def test_it_delays(proxy):
    with dial(proxy) as connection:
        proxy.delay(0.2)
        began = time.monotonic()
        assert says(connection) == b"hello"
        assert time.monotonic() - began >= 0.4


def test_a_black_hole_swallows_and_gives_back_when_healed(proxy):
    with dial(proxy) as connection:
        says(connection)
        proxy.hole()
        connection.sendall(b"late")
        with dial(proxy) as newer:
            newer.sendall(b"newer")
            assert silent(newer)
            assert silent(connection)
            proxy.heal()
            assert connection.recv(10) == b"late"
            assert newer.recv(10) == b"newer"


def test_half_open_is_dead_for_ever_and_the_next_connection_lives(proxy):
    with dial(proxy) as connection:
        says(connection)
        assert proxy.half_open() == 1
        connection.sendall(b"anybody?")
        assert silent(connection)
        with dial(proxy) as newer:
            assert says(newer) == b"hello"
        proxy.heal()
        assert silent(connection)


def test_a_reset_is_an_error_at_once(proxy):
    with dial(proxy) as connection:
        says(connection)
        assert proxy.reset() == 1
        with pytest.raises(ConnectionResetError):
            connection.recv(10)


def test_a_share_is_chosen_by_chance(proxy):
    connections = [dial(proxy) for _ in range(40)]
    for connection in connections:
        says(connection)
    assert 5 < proxy.reset(random.Random(1), share=0.5) < 35
    for connection in connections:
        connection.close()


def test_a_connection_is_cut_after_so_many_bytes(proxy):
    proxy.cut_after(1000)
    with dial(proxy) as connection:
        says(connection, b"x" * 100)
        with pytest.raises(ConnectionError):
            says(connection, b"x" * 2000)
    proxy.heal()
    with dial(proxy) as connection:
        assert says(connection, b"x" * 2000)


def test_new_connections_are_refused(proxy):
    proxy.refuse()
    # The kernel has accepted before the proxy refuses, so the end may be told by the connect, the send or the read.
    try:
        with dial(proxy) as connection:
            heard = says(connection)
    except ConnectionError:
        heard = b""
    assert heard == b""
    proxy.refuse(on=False)
    with dial(proxy) as connection:
        assert says(connection) == b"hello"
