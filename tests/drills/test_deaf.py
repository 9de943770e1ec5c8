"""Deaf clients read only once the node says that it gave them up, and count what they find in their own bytes."""

import json
import socket

import pytest

from drills.hostile.deaf import Deaf
from launcher.waiting import wait_for

TEXT = b"\x81\x02{}"


def close_frame(code: int) -> bytes:
    return b"\x88\x02" + code.to_bytes(2)


class Node:
    """The node's ends of some connections, and its log."""

    def __init__(self, users):
        pairs = {user: socket.socketpair() for user in users}
        self.ends = {user: ours for user, (ours, _) in pairs.items()}
        self.lines: list[str] = []
        self.deaf = Deaf(
            {user: (theirs, bytearray()) for user, (_, theirs) in pairs.items()},
            lambda: "\n".join(self.lines),
        )
        self.deaf.start()

    def end(self, user, last: bytes):
        self.ends[user].sendall(TEXT + last)
        self.ends[user].close()
        self.lines.append(json.dumps({"event": "connection_closed", "user": user}, separators=(",", ":")))


@pytest.fixture
def node():
    made = Node(["ana", "bob"])
    yield made
    made.deaf.stop()
    for sock in made.ends.values():
        sock.close()


def test_who_was_told_is_counted_and_who_was_only_cut_off_is_not(node):
    node.end("ana", close_frame(4008))
    node.end("bob", b"")
    assert wait_for(node.deaf.all_over, seconds=5)
    assert len(node.deaf.told()) == 1


def test_another_code_does_not_count(node):
    node.end("ana", close_frame(4012))
    node.end("bob", close_frame(4008) + b"\x81")
    assert wait_for(node.deaf.all_over, seconds=5)
    assert len(node.deaf.told()) == 1


def test_nobody_reads_before_the_log_says_so(node):
    node.ends["ana"].sendall(close_frame(4008))
    node.ends["ana"].shutdown(socket.SHUT_WR)
    node.end("bob", close_frame(4008))
    assert wait_for(lambda: len(node.deaf.told()) == 1, seconds=5)
    assert not node.deaf.all_over()
