"""What a test of the wire asks of a raw client: the bytes of the last frame, and the end after them."""

import socket

from tests.integration.wsnode.client import CLOSE, PING, Client, Frame


def close_frame(client: Client) -> Frame:
    """Read up to the Close frame without answering anything."""
    while (got := client.read()).opcode != CLOSE:
        pass
    return got


def bytes_to_the_end(client: Client) -> bytes:
    """Everything the server still sends, as it stands, until it hangs up; after its Close frame we say no more."""
    data = client._buffer
    try:
        while more := client.socket.recv(65536):
            data += more
            if b"\x88" in data:
                client.socket.shutdown(socket.SHUT_WR)
    except ConnectionResetError:
        pass
    return data


def not_a_ping(client: Client) -> Frame:
    """The next frame that is no heartbeat."""
    while (got := client.read()).opcode == PING:
        pass
    return got
