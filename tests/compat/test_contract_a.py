"""Contract A: `POST /notification` reaches a Socket.IO client that brought its token in the query."""

import json

import pytest

from tests.compat.snippets import A_NOTIFICATION
from tests.compat.tokens import their_token

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CLIENT = """\
import { io } from "socket.io-client";
const socket = io("%s", { query: { token: "%s" } });
socket.on("connect", () => console.log("connected"));
socket.on("disconnect", (reason) => console.log("disconnected", reason));
socket.on("notification", (data) => console.log(data));
"""
"""The page of A shows the server's side only: this is what it was written for."""

EXAMPLE = json.loads(A_NOTIFICATION)


def client(url: str, token: str) -> str:
    return CLIENT % (url, token)


def post(shell, api: str, body: str) -> tuple[int, object]:
    return shell(f"curl -X POST {api}/notification -H 'Content-Type: application/json' -d '{body}'")


def send(shell, api: str, user: str, message: str) -> dict[str, str]:
    """Sends it; what the client must be shown."""
    body = {"userId": user, "eventType": "new_message", "data": {"message": message}}
    assert post(shell, api, json.dumps(body)) == (200, {"message": "Notification triggered"})
    return body["data"]


def test_the_example_is_answered_and_arrives(bellhop, api, nodes, node, shell):
    # The user is a number in the token, as in a database of theirs.
    with node(client(nodes[0], their_token(bellhop, 12345))) as program:
        program.says("connected")
        assert post(shell, api, A_NOTIFICATION) == (200, {"message": "Notification triggered"})
        program.says(EXAMPLE["data"])
        assert program.said == [["connected"], [EXAMPLE["data"]]]


@pytest.mark.parametrize("field", ["userId", "eventType", "data"])
@pytest.mark.parametrize("value", [None, '""', "0", "false", "null"])
def test_what_is_missing_or_empty_is_an_invalid_payload(api, shell, field, value):
    body = {name: json.dumps(found) for name, found in EXAMPLE.items()} | {field: value}
    text = ", ".join(f'"{name}": {found}' for name, found in body.items() if found is not None)

    assert post(shell, api, f"{{{text}}}") == (400, {"error": "Invalid payload"})


@pytest.mark.parametrize("data", ["You have a new message!", ["a", 1], 17, True], ids=json.dumps)
def test_data_that_is_no_object_arrives_as_it_is(bellhop, api, nodes, node, shell, data):
    """The server of the page asks for something true, and hands it on."""
    body = {"userId": "a-value", "eventType": "New message!", "data": data}
    with node(client(nodes[0], their_token(bellhop, "a-value"))) as program:
        program.says("connected")
        assert post(shell, api, json.dumps(body)) == (200, {"message": "Notification triggered"})
        program.says(data)
        assert program.said == [["connected"], [data]]


def test_what_was_missed_comes_once_and_not_on_every_return(bellhop, api, nodes, node, shell):
    token = their_token(bellhop, "a-away")
    missed = [send(shell, api, "a-away", f"missed {n}") for n in range(2)]
    with node(client(nodes[0], token)) as program:
        program.says(missed[1])
        assert program.said == [["connected"], [missed[0]], [missed[1]]]
    with node(client(nodes[1], token)) as program:
        program.says("connected")
        new = send(shell, api, "a-away", "new")
        program.says(new)
        assert program.said == [["connected"], [new]]


def test_a_first_tab_that_closes_leaves_the_second_served(bellhop, api, nodes, node, shell):
    code = client(nodes[0], their_token(bellhop, "a-tabs"))
    with node(code) as second:
        second.says("connected")
        with node(code) as first:
            first.says("connected")
            both = send(shell, api, "a-tabs", "to both")
            first.says(both)
            second.says(both)
        other = send(shell, api, "a-tabs", "to the second")
        second.says(other)
        assert second.said == [["connected"], [both], [other]]


@pytest.mark.parametrize("kind", ["none", "forged", "without an end"])
def test_without_a_good_token_the_client_is_out_at_once(bellhop, nodes, node, kind):
    token = {
        "none": "",
        "forged": their_token(bellhop, "a")[:-3] + "AAA",
        "without an end": their_token(bellhop, "a", seconds=0),
    }[kind]
    with node(client(nodes[0], token)) as program:
        program.until(lambda said: said[0] == "disconnected")
        assert ["disconnected", "io server disconnect"] in program.said
