"""Contract D: the page's own client and `curl`, against the webhook and a Socket.IO node."""

import re
from typing import Any

import pytest

from tests.compat.snippets import D_SOCKET, D_WEBHOOK, moved
from tests.compat.tokens import their_token
from tests.e2e.device import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def listening(text: str = D_SOCKET) -> str:
    """The snippet without what it sends, for who only listens."""
    return (
        text[: text.index("// Send a notification")] + 'socket.on("connect", () => console.log("connected"));'
    )


def shown(program) -> list[dict[str, Any]]:
    return [said[1] for said in program.said if said[0] == "New notification:"]


def arrives(program, message: str) -> dict[str, Any]:
    """Wait until the client is shown this message; the notification."""
    said = program.until(lambda said: said[0] == "New notification:" and said[1]["message"] == message)
    return dict(said[1])


def webhook(bellhop, shell, api: str, **changes: str) -> tuple[int, Any]:
    line = moved(D_WEBHOOK, api=api, your_webhook_api_key=bellhop.api_key)
    for before, after in changes.items():
        line = line.replace(before.replace("_", "-"), after)
    return shell(line)


def test_the_clients_own_message_is_sent_and_comes_to_whom_it_names(bellhop, nodes, node):
    token = their_token(bellhop, "user-123")
    sender = their_token(bellhop, "d-sender")
    with node(moved(listening(), node=nodes[1], your_jwt_token=token)) as receiver:
        receiver.says("connected")
        with node(moved(D_SOCKET, node=nodes[0], your_jwt_token=sender)) as program:
            program.says("Notification sent successfully")
            found = arrives(receiver, "Hello, this is a test notification!")

            assert shown(program) == []
        assert found == {
            "id": found["id"],
            "recipientId": "user-123",
            "senderId": "d-sender",
            "event": found["event"],
            "message": "Hello, this is a test notification!",
            "data": {"message": "Hello, this is a test notification!"},
            "createdAt": found["createdAt"],
        }
        assert re.fullmatch(r"[0-9a-f-]{36}", found["id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["createdAt"])


def test_a_message_that_names_nobody_is_answered_with_its_error(bellhop, nodes, node):
    code = D_SOCKET.replace('  recipientId: "user-123",\n', "")
    with node(moved(code, node=nodes[0], your_jwt_token=their_token(bellhop, "d-wrong"))) as program:
        said = program.until(lambda said: said[0] == "Failed to send notification:")
        assert isinstance(said[1], str) and said[1]


def test_the_webhook_of_the_page_arrives(bellhop, api, nodes, node, shell):
    token = their_token(bellhop, "user-123")
    with node(moved(listening(), node=nodes[0], your_jwt_token=token)) as program:
        program.says("connected")
        status, answer = webhook(bellhop, shell, api)

        assert (status, answer) == (200, {"success": True, "id": answer["id"]})
        found = arrives(program, "System notification")
        assert (found["id"], found["recipientId"], found["senderId"]) == (answer["id"], "user-123", None)


def test_a_bad_key_is_401_and_a_bad_body_400(bellhop, api, shell):
    wrong = bellhop.api_key[:-1] + ("x" if bellhop.api_key[-1] != "x" else "y")
    for key in (wrong, "your-webhook-api-key", ""):
        line = moved(D_WEBHOOK, api=api, your_webhook_api_key=key)
        assert shell(line) == (
            401, {"success": False, "error": "The apiKey is missing, unknown, revoked or expired."},
        )  # fmt: skip
    status, answer = webhook(bellhop, shell, api, **{"System notification": ""})
    assert (status, answer) == (
        400, {"success": False, "error": "message: Must be a text that is not empty."},
    )  # fmt: skip
    status, answer = webhook(bellhop, shell, api, **{"user-123": ""})
    assert (status, answer["success"]) == (400, False)


def test_health_is_up(api, shell):
    status, answer = shell(f"curl {api}/health")
    assert (status, answer) == (200, {"status": "UP", "timestamp": answer["timestamp"]})


@pytest.mark.parametrize("transports", ["", '["polling"]', '["websocket"]'])
def test_what_was_missed_comes_once_and_not_on_every_return(
    bellhop, api, nodes, node, http, shell, transports
):
    """Twice away; also by polling alone, where nothing but the next request says that an answer was read."""
    given = f"  transports: {transports},\n" if transports else ""
    code = listening().replace("  auth: {", f"{given}  auth: {{")
    user = "d-away" + re.sub(r"\W", "", transports)
    token = their_token(bellhop, user)

    def send(message: str) -> str:
        status, answer = webhook(bellhop, shell, api, user_123=user, **{"System notification": message})
        assert status == 200
        return str(answer["id"])

    def is_delivered(id: str) -> bool:
        items = http.get(f"/v1/notifications/{id}/deliveries").body["items"]
        return [one["state"] for one in items] == ["delivered"]

    def visit(url: str, *messages: str, live: bool = False) -> None:
        with node(moved(code, node=url, your_jwt_token=token)) as program:
            program.says("connected")
            if live:
                send(messages[-1])
            last = arrives(program, messages[-1])
            assert [each["message"] for each in shown(program)] == list(messages)
            wait_until(lambda: is_delivered(last["id"]), 15, "the next request has come")

    send("missed")
    visit(nodes[0], "missed")
    send("missed again")
    send("and again")
    visit(nodes[1], "missed again", "and again")
    visit(nodes[0], "new", live=True)


def test_a_first_tab_that_closes_leaves_the_second_served(bellhop, api, nodes, node, shell):
    code = moved(listening(), node=nodes[0], your_jwt_token=their_token(bellhop, "d-tabs"))
    with node(code) as second:
        second.says("connected")
        with node(code) as first:
            first.says("connected")
        assert webhook(bellhop, shell, api, user_123="d-tabs")[0] == 200
        arrives(second, "System notification")


def test_the_delivery_has_a_status(bellhop, api, nodes, node, http, shell):
    status, answer = webhook(bellhop, shell, api, user_123="d-status")
    assert status == 200
    with node(moved(listening(), node=nodes[0], your_jwt_token=their_token(bellhop, "d-status"))) as program:
        arrives(program, "System notification")

        def states() -> list[tuple[str, str]]:
            found = http.get(f"/v1/notifications/{answer['id']}/deliveries").body
            return [(each["user"], each["state"]) for each in found.get("items", [])]

        wait_until(lambda: states() == [("d-status", "delivered")], 15, "it is delivered")


def test_without_a_good_token_the_client_is_told_so(bellhop, nodes, node):
    told = 'socket.on("connect_error", (error) => console.log("refused", error.message));'
    for token in ("your-jwt-token", their_token(bellhop, "d", seconds=-3600)):
        with node(moved(listening(), node=nodes[0], your_jwt_token=token) + told) as program:
            assert program.until(lambda said: said[0] == "refused")[1]


def test_the_key_is_nowhere_afterwards(bellhop, api, shell):
    """Not in the logs, the database, or the append-only file of Redis, where the journal is; its message is."""
    assert webhook(bellhop, shell, api, **{"System notification": "seen in the files"})[0] == 200
    wrong = bellhop.api_key[:-8] + "notours0"
    assert shell(moved(D_WEBHOOK, api=api, your_webhook_api_key=wrong))[0] == 401

    def holding(text: str) -> set[str]:
        files = [path for path in bellhop.data.path.rglob("*") if path.is_file()]
        return {path.name for path in files if text.encode() in path.read_bytes()}

    wait_until(lambda: "bellhop.db" in " ".join(holding("seen in the files")), 15, "it is stored")
    assert any(name.endswith(".aof") for name in holding("seen in the files"))
    assert holding(bellhop.api_key) == {"dev_api_key"}
    assert holding(bellhop.api_key.rpartition("_")[2]) == {"dev_api_key"}
    assert holding("notours0") == set()
