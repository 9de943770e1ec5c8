"""npm `ws` as the clients of two earlier designs have it: a token in the address, or in the first message."""

import json
import subprocess
from pathlib import Path

import pytest

from shared.protocol.envelope import encode_reply
from shared.protocol.journal import Entry
from shared.redis.bus import Bus
from tests.integration.wsnode.client import wait_until

SCRIPT = Path(__file__).parent / "classic.mjs"


@pytest.mark.parametrize("way", ["address", "socket"])
def test_it_hears_notifications_and_that_its_message_was_sent(npm_ws, node, backend, user, way):
    command = [npm_ws, str(SCRIPT), str(node.port), way, node.token(user)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: backend.client.hget(f"stream:main:{user}", "rev") is not None)
        backend.publish(user)
        first = json.loads(child.stdout.readline())
        assert (first["type"], first["data"]["n"]) == ("NOTIFICATION", 1)
        wait_until(lambda: sent_by(backend, user))
        entry = sent_by(backend, user)
        assert (entry.users, entry.event, entry.data_json) == (
            ("bob",),
            "message",
            '{"message":"Hello, world!"}',
        )
        answer(backend, entry)
        assert json.loads(child.stdout.readline()) == {"status": "sent", "id": entry.id}
        wait_until(lambda: backend.client.hget("acks", f"main {user}") == b"1 0")
    finally:
        rest, _ = child.communicate(timeout=20)
    assert [json.loads(line) for line in rest.splitlines()] == [{"closed": 1005}]


def sent_by(backend, user: str) -> Entry | None:
    """The journal entry of what this user has sent."""
    entries = map(Entry.decode, backend.client.hvals("journal"))
    return next((entry for entry in entries if entry.sender == f"user:{user}"), None)


def answer(backend, entry: Entry) -> None:
    """What a worker says once it is published."""
    connection, ref = entry.reply_to
    doc = {"type": "reply", "ref": ref, "result": {"id": entry.id, "status": "sent"}}
    Bus(backend.client).to_node(connection.partition(".")[0], encode_reply(connection, doc))
