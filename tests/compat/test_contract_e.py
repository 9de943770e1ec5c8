"""Contract E: every way in at `/socket` that its page shows, and a message that is stored, published and confirmed."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.compat.snippets import E_ADDRESS, E_FIRST_MESSAGE, E_MESSAGE, E_PLAIN, E_SESSION, moved
from tests.compat.tokens import their_token
from tests.e2e.device import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

LISTEN = """
socket.addEventListener("open", () => console.log("open", socket.protocol));
socket.addEventListener("message", (event) => console.log(JSON.parse(event.data)));
socket.addEventListener("error", (event) => console.log("error", event.message));
socket.addEventListener("close", (event) => console.log("closed", event.code));
"""
FAILED = {"status": "error", "message": "Failed to process message"}


def shown(text: str) -> dict[str, Any]:
    return {"type": "NOTIFICATION", "data": {"message": text}}


def sends(**changes: Any) -> str:
    """A line that sends the message of the page, with these fields changed."""
    body = {name: value for name, value in {**json.loads(E_MESSAGE), **changes}.items() if value is not None}
    return f'socket.addEventListener("open", () => socket.send({json.dumps(json.dumps(body))}));\n'


@pytest.fixture
def reached(http) -> Callable[..., None]:
    """`reached(program, user)`: what is sent to the user comes to this socket."""

    def check(program, user: str) -> None:
        http.notify(user, data={"message": f"to {user}"})
        program.says(shown(f"to {user}"))

    return check


def test_a_token_in_the_address(bellhop, nodes, node, reached):
    address = moved(E_ADDRESS, node=nodes[0], e_token=their_token(bellhop, "e-query"))
    with node(f"const socket = new WebSocket('{address}');{LISTEN}") as program:
        reached(program, "e-query")


def test_a_custom_header(bellhop, nodes, node, reached):
    # The page's `socket.setRequestHeader` is a method of no WebSocket; npm `ws` takes headers here.
    options = json.dumps({"headers": {"Authorization": f"Bearer {their_token(bellhop, 'e-header')}"}})
    code = moved(E_PLAIN, node=nodes[0]).replace("/socket')", f"/socket', {options})")
    with node(code + LISTEN) as program:
        reached(program, "e-header")


def test_a_bare_token_as_subprotocol_is_said_again_in_development(bellhop, nodes, node, reached):
    token = their_token(bellhop, "e-protocol")
    code = moved(E_PLAIN, node=nodes[0]).replace("/socket')", f"/socket', '{token}')")
    with node(code + LISTEN) as program:
        program.says("open", token)
        reached(program, "e-protocol")


def test_a_first_message(bellhop, nodes, node, reached):
    token = their_token(bellhop, "e-first")
    with node(moved(E_FIRST_MESSAGE, node=nodes[1], your_auth_token=token) + LISTEN) as program:
        reached(program, "e-first")


def test_a_first_message_in_a_browser(bellhop, nodes, page, http):
    token = their_token(bellhop, "e-page")
    page.evaluate(f"() => {{ {moved(E_FIRST_MESSAGE, node=nodes[0], your_auth_token=token)} }}")
    http.notify("e-page", data={"message": "to the page"})
    frames_are(page, ["open", shown("to the page")])


def test_a_bad_first_message_ends_it(nodes, node):
    with node(moved(E_FIRST_MESSAGE, node=nodes[0]) + LISTEN) as program:
        program.says("closed", 4001)


def test_the_cookie_of_a_page_whose_origin_is_allowed(bellhop, api, nodes, page, http):
    cookie = {"name": "auth_token", "value": their_token(bellhop, "e-cookie"), "url": api}
    page.context.add_cookies([{**cookie, "httpOnly": True, "sameSite": "Strict"}])
    page.evaluate(f"() => {{ {moved(E_PLAIN, node=nodes[0])} }}")
    http.notify("e-cookie", data={"message": "to the cookie"})
    frames_are(page, ["open", shown("to the cookie")])


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
def test_the_cookie_counts_for_no_other_page(bellhop, nodes, node, origin):
    headers = {"Cookie": f"auth_token={their_token(bellhop, 'e-cookie')}"} | (
        {"Origin": origin} if origin else {}
    )
    options = json.dumps({"headers": headers})
    code = moved(E_PLAIN, node=nodes[0]).replace("/socket')", f"/socket', {options})")
    with node(code + LISTEN) as program:
        program.says("error", "Unexpected server response: 403")


def test_a_session_after_an_http_request_once(http, api, nodes, page, node):
    username, password = "e-session", "correct horse battery staple"
    register(http, username, password)
    known = f"const username = {json.dumps(username)}, password = {json.dumps(password)};"
    # The page's function keeps its socket to itself: the window remembers which address it opened.
    code = moved(E_SESSION, api=api, node=nodes[0])
    page.evaluate(f"async () => {{ {known} {code} await connectWebSocket(); }}")
    http.notify(username, data={"message": "to the session"})
    frames_are(page, ["open", shown("to the session")])

    (address,) = page.evaluate("opened_")
    assert urlsplit(address).query.startswith("session=")
    page.evaluate("(address) => { new WebSocket(address); }", address)
    frames_are(page, ["open", shown("to the session"), "closed 1006"])


def test_a_session_of_a_program(http, api, nodes, node, shell, reached):
    register(http, "e-program", "correct horse battery staple")
    body = json.dumps({"username": "e-program", "password": "correct horse battery staple"})
    line = f"curl -X POST {api}/auth -H 'Content-Type: application/json' -d '{body}'"
    status, answer = shell(line)
    assert (status, set(answer)) == (200, {"sessionId"})
    code = moved(E_PLAIN, node=nodes[0]).replace("/socket')", f"/socket?session={answer['sessionId']}')")
    with node(code + LISTEN) as program:
        reached(program, "e-program")
        with node(code + LISTEN) as again:
            again.says("error", "Unexpected server response: 401")
    assert shell(line.replace("staple", "stable")) == (401, {"error": "Unknown username, or wrong password."})
    assert shell(f"curl -X POST {api}/auth -H 'Content-Type: application/json' -d '{{}}'")[0] == 400


def test_a_message_is_stored_published_and_confirmed(bellhop, nodes, node, http):
    ana, bob = their_token(bellhop, "e-ana"), their_token(bellhop, "e-bob")
    with node(moved(E_FIRST_MESSAGE, node=nodes[1], your_auth_token=bob) + LISTEN) as receiver:
        receiver.says("open", "")
        address = moved(E_ADDRESS, node=nodes[0], e_token=ana)
        code = f"const socket = new WebSocket('{address}');{LISTEN}"
        with node(code + sends(to="e-bob", token=ana)) as sender:
            (told,) = sender.until(lambda said: isinstance(said[0], dict))
            assert told == {"status": "sent", "id": told["id"]}
            assert http.get(f"/v1/notifications/{told['id']}").status == 200
            text = "Hello, world!"
            data = {"message": text, "content": text, "id": told["id"], "from": "e-ana"}
            receiver.says({"type": "NOTIFICATION", "data": data})


@pytest.mark.parametrize("kind", ["to nobody", "to no name", "forged", "too old", "of somebody else"])
def test_a_message_that_is_not_sent_says_so(bellhop, nodes, node, kind):
    ana = their_token(bellhop, "e-ana")
    fields = {
        "to nobody": {"to": [], "token": ana},
        "to no name": {"to": "", "token": ana},
        "forged": {"to": "e-bob", "token": ana[:-3] + "AAA"},
        "too old": {"to": "e-bob", "token": their_token(bellhop, "e-ana", seconds=-3600)},
        "of somebody else": {"to": "e-bob", "token": their_token(bellhop, "e-eve")},
    }[kind]
    address = moved(E_ADDRESS, node=nodes[0], e_token=ana)
    with node(f"const socket = new WebSocket('{address}');{LISTEN}{sends(**fields)}") as program:
        program.says(FAILED)


def test_what_was_missed_comes_once_and_not_on_every_return(bellhop, nodes, node, http):
    code = moved(E_FIRST_MESSAGE, node=nodes[0], your_auth_token=their_token(bellhop, "e-away")) + LISTEN
    http.notify("e-away", data={"message": "missed"})
    with node(code) as program:
        program.says(shown("missed"))
    with node(code) as program:
        program.says("open", "")
        http.notify("e-away", data={"message": "new"})
        program.says(shown("new"))
        assert program.said == [["open", ""], [shown("new")]]


def test_no_token_is_in_the_logs(bellhop, nodes, node, reached):
    token = their_token(bellhop, "e-logged")
    address = moved(E_ADDRESS, node=nodes[0], e_token=token)
    with node(f"const socket = new WebSocket('{address}');{LISTEN}") as program:
        reached(program, "e-logged")
    wait_until(lambda: "/socket?token=[redacted]" in bellhop.log("node", 0), 10, "the handshake is logged")
    signature = token.rpartition(".")[2]
    assert all(signature not in bellhop.log(name, index) for name, index in bellhop.pids() if name != "redis")


def register(http, username: str, password: str) -> None:
    answer = http.post("/v1/auth/register", {"username": username, "password": password})
    assert answer.status == 201, answer


def frames_are(page, wanted: list[Any]) -> None:
    """Wait until the WebSockets of the page have told this, in this order."""
    wait_until(lambda: page.evaluate("frames_") == wanted, 15, f"{wanted}; {page.evaluate('frames_')}")
