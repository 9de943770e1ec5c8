"""The most used WebSocket client of Node.js gets in by every way, and understands how it is refused and closed."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.integration.wsnode.client import wait_until

SCRIPT = Path(__file__).parent / "sign_in.mjs"


def run(npm_ws: str, node, way: str, token: str) -> subprocess.Popen[str]:
    command = [npm_ws, str(SCRIPT), str(node.port), way, token]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def seen(child: subprocess.Popen[str]) -> list[dict]:
    """Everything the client told, once it has ended."""
    out, _ = child.communicate(timeout=20)
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("way", "protocol"), [("header", ""), ("subprotocol", "bellhop.v1"), ("query", ""), ("message", "")]
)
def test_it_signs_in_receives_confirms_and_leaves(npm_ws, node, backend, user, way, protocol):
    child = run(npm_ws, node, way, node.token(user))
    wait_until(lambda: backend.client.hget(f"stream:main:{user}", "rev") is not None)
    backend.publish(user)
    told = seen(child)

    assert told[0] == {"open": True, "protocol": protocol, "extensions": ""}
    frames = [one["frame"] for one in told if "frame" in one]
    assert frames[0]["type"] == "welcome"
    assert frames[0]["user"] == user
    assert [frame["seq"] for frame in frames if frame["type"] == "notification"] == [1]
    assert not any(one.get("binary") for one in told)
    assert {"pong": "are you there"} in told
    assert told[-1] == {"closed": 4999, "reason": ""}
    assert not [one for one in told if "error" in one]
    wait_until(lambda: backend.client.hget("acks", f"main {user}") == b"1 0")


@pytest.mark.parametrize("way", ["header", "subprotocol", "query"])
def test_a_bad_token_is_an_http_answer(npm_ws, node, way):
    told = seen(run(npm_ws, node, way, "nonsense"))
    assert told[0]["status"] == 401
    assert told[0]["body"]["error"]["code"] == "token_invalid"


@pytest.mark.parametrize("way", ["message", "early"])
def test_a_bad_first_message_is_a_bye_and_a_close_code(npm_ws, node, way):
    told = seen(run(npm_ws, node, way, "nonsense"))
    assert told[1]["frame"]["type"] == "bye"
    assert told[-1]["closed"] == 4001
    assert told[-1]["reason"]
