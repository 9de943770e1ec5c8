"""A Bellhop in production, set up as docs/compatibility.md says: clients of all designs go on with their old tokens."""

import json
import re
from typing import Any

import pytest

from tests.compat import snippets
from tests.compat.test_contract_d import listening
from tests.compat.test_contract_e import FAILED, LISTEN
from tests.compat.test_page import PAGE
from tests.compat.tokens import their_token
from tests.e2e.http import Http

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

JSON = "-H 'Content-Type: application/json'"
EXPIRED = ["closed", 4011]


def made_as_the_page_says(system, first_key: str, shell) -> str:
    """An API key that may send and no more, by the line of docs/compatibility.md."""
    line = re.search(r"```sh\n(.+?)```", PAGE, re.DOTALL)
    assert line is not None
    text = line[1].replace("http://127.0.0.1:8080", system.url("api")).replace("$FIRST_KEY", first_key)
    status, answer = shell(text)
    assert (status, answer["scopes"]) == (201, ["notifications:write"])
    return str(answer["key"])


def e_socket(system, token: str, more: str = "", *, index: int = 0) -> str:
    address = snippets.moved(snippets.E_ADDRESS, node=system.url("node", index), e_token=token)
    return f"const socket = new WebSocket('{address}');{LISTEN}{more}"


def says(*frames: Any) -> str:
    sent = "".join(f"socket.send({json.dumps(json.dumps(frame))});" for frame in frames)
    return f'socket.addEventListener("open", () => {{ {sent} }});\n'


def the_pages_message(token: str) -> dict[str, Any]:
    return json.loads(snippets.moved(snippets.E_MESSAGE, e_token=token))


def test_the_message_of_the_page_reaches_everyone_who_is_connected_and_once_who_comes_back(production, node):
    ana, bob, away = (their_token(production, user) for user in ("e-ana", "e-bob", "e-away"))
    with node(e_socket(production, away)) as known:
        known.says("open", "")
    with node(e_socket(production, bob, index=1)) as receiver:
        receiver.says("open", "")
        with node(e_socket(production, ana, says(the_pages_message(ana)))) as sender:
            (sent,) = sender.until(lambda said: isinstance(said[0], dict) and "status" in said[0])
            assert sent == {"status": "sent", "id": sent["id"]}
            text = "Hello, world!"
            data = {"message": text, "content": text, "id": sent["id"], "from": "e-ana"}
            shown = {"type": "NOTIFICATION", "data": data}
            receiver.says(shown)
            sender.says(shown)  # there, too, whoever sent it was one of all clients
    with node(e_socket(production, away)) as returned:
        returned.says(shown)
    with node(e_socket(production, away, says({**the_pages_message(away), "to": "e-away"}))) as again:
        again.until(
            lambda said: isinstance(said[0], dict) and said[0].get("data", {}).get("from") == "e-away"
        )
        assert [shown] not in again.said


def test_a_socket_goes_on_with_the_token_that_it_is_sent(production, node):
    """In-band refresh: of three sockets the one without another token, or with a bad one, is closed."""
    short, longer = (their_token(production, "e-refresh", seconds=seconds) for seconds in (8, 600))
    forged = longer[:-3] + "AAA"
    with (
        node(e_socket(production, short, says({"type": "refresh", "token": longer}))) as by_refresh,
        node(e_socket(production, short, says({"type": "auth", "token": longer}))) as by_auth,
        node(e_socket(production, short, says({"type": "refresh", "token": forged}))) as refused,
    ):
        for renewed in (by_refresh, by_auth):
            (told,) = renewed.until(lambda said: isinstance(said[0], dict) and "status" in said[0])
            assert told == {"status": "refreshed", "expires_at": told["expires_at"]}
        refused.says(FAILED)
        refused.until(lambda said: said == EXPIRED, 40)
        # They have outlived the token they came with, and are served.
        with node(e_socket(production, longer, says({**the_pages_message(longer), "to": "e-refresh"}))):
            for renewed in (by_refresh, by_auth):
                renewed.until(
                    lambda said: isinstance(said[0], dict) and said[0].get("type") == "NOTIFICATION"
                )
                assert EXPIRED not in renewed.said


def test_the_socket_of_a_session_outlives_the_access_tokens(production, production_key, node, shell):
    """The page knows of no renewal of a `sessionId`: nobody is asked for the password again every ten minutes."""
    api, name = production.url("api"), {"username": "e-session", "password": "correct horse battery staple"}
    assert Http(api, production_key).post("/v1/auth/register", name).status == 201
    status, answer = shell(f"curl -X POST {api}/auth {JSON} -d '{json.dumps(name)}'")
    assert (status, set(answer)) == (200, {"sessionId"})
    status, login = shell(f"curl -X POST {api}/v1/auth/login {JSON} -d '{json.dumps(name)}'")
    assert (status, login["expires_in"]) == (200, 10)
    address = f"{production.url('node', scheme='ws')}/socket?session={answer['sessionId']}"
    with (
        node(f"const socket = new WebSocket('{address}');{LISTEN}") as by_session,
        node(e_socket(production, login["access"])) as by_token,
    ):
        by_session.says("open", "")
        by_token.until(lambda said: said == EXPIRED, 40)
        theirs = their_token(production, "e-other")
        with node(e_socket(production, theirs, says({**the_pages_message(theirs), "to": "e-session"}))):
            by_session.until(lambda said: isinstance(said[0], dict))
        # And ends with the session, as does everything that came of a sign-in.
        ended = Http(api, production_key).post("/v1/users/e-session/disable", {})
        assert ended.status == 200
        by_session.says("closed", 4001)


def test_the_limits_of_d_over_http(production, production_key, shell):
    """100 in 15 minutes: then it is refused in the shape of the contract for a while, and other keys are not."""
    key = made_as_the_page_says(production, production_key, shell)
    line = snippets.moved(snippets.D_WEBHOOK, api=production.url("api"), your_webhook_api_key=key)
    assert {shell(line)[0] for _ in range(100)} == {200}
    # One more every 9 seconds: as many as this took.
    status, answer = next(found for _ in range(50) if (found := shell(line))[0] != 200)
    assert (status, set(answer), answer["success"]) == (429, {"success", "error"}, False)
    assert shell(line.replace(key, production_key))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "first", "limit"),
    [
        ("/refresh", {"token": "unknown"}, 401, 30),
        ("/logout", {"token": "unknown"}, 200, 30),
        ("/auth", {"username": "nobody"}, 400, 30),
        ("/webhook/notify", {"apiKey": "guessed"}, 401, 100),
    ],
)
def test_who_tries_to_get_in_is_limited_by_address(production, shell, path, body, first, limit):
    """As it was there: of the routes that sign in so many a minute, of guessed keys so many in 15 minutes."""

    def line(address: str) -> str:
        forwarded = f"-H 'X-Forwarded-For: {address}'"
        return f"curl -X POST {production.url('api')}{path} {JSON} {forwarded} -d '{json.dumps(body)}'"

    address = f"203.0.113.{len(path)}"
    assert {shell(line(address))[0] for _ in range(limit)} == {first}
    status, answer = next(found for _ in range(50) if (found := shell(line(address)))[0] != first)
    assert status == 429
    assert set(answer) in ({"success", "message"}, {"success", "error"}, {"error"})
    assert shell(line("198.51.100.1"))[0] == first


def test_the_limit_of_d_at_the_socket(production, node):
    """10 in 60 seconds: the callback of the 11th hears it, and the connection ends."""
    said = 'console.log("Notification sent successfully");'
    before, sends = snippets.D_SOCKET.split("// Send a notification\n")
    code = f"{before} function again() {{ {sends.replace(said, said + ' again();')} }} again();"
    ended = 'socket.on("disconnect", (reason) => console.log("ended", reason));'
    token = their_token(production, "d-flood")
    with node(snippets.moved(code + ended, node=production.url("node"), your_jwt_token=token)) as program:
        program.says("ended", "transport close")
        answers = [said for said in program.said if "sen" in said[0]]
        assert answers[:10] == [["Notification sent successfully"]] * 10
        assert answers[10:] == [["Failed to send notification:", "Too many messages."]]


@pytest.mark.parametrize("transports", ["websocket", "polling"])
def test_what_was_sent_before_the_limit_is_answered_before_the_connection_ends(production, node, transports):
    """Eleven at once, as whoever types faster than the network."""
    before, sends = snippets.D_SOCKET.split("// Send a notification\n")
    before = before.replace("  auth: {", f'  transports: ["{transports}"], reconnection: false,\n  auth: {{')
    ended = 'socket.on("disconnect", (reason) => console.log("ended", reason));'
    code = f"{before}{ended} for (let n = 0; n < 11; n++) {{ {sends} }}"
    token = their_token(production, f"d-burst-{transports}")
    with node(snippets.moved(code, node=production.url("node"), your_jwt_token=token)) as program:
        program.says("ended", "transport close")
        said = [words for words in program.said if words[0] != "New notification:"]
        assert said.count(["Notification sent successfully"]) == 10
        assert said.count(["Failed to send notification:", "Too many messages."]) == 1
        assert said[-1][0] == "ended"


def test_a_and_b_send_with_a_key_and_only_with_one(production, production_key, node, shell):
    api = production.url("api")
    theirs, key = their_token(production, 19), made_as_the_page_says(production, production_key, shell)
    b_line = snippets.moved(snippets.B_NOTIFY, api=api)
    a_line = f"curl -X POST {api}/notification {JSON} -d '{snippets.A_NOTIFICATION}'"
    for line in (a_line, b_line):
        assert shell(line)[0] == 401
    with node(
        snippets.moved(snippets.B_SOCKET, node=production.url("node"), YOUR_ACCESS_TOKEN=theirs)
    ) as program:
        program.says("Connected")
        keyed = f"-H 'Authorization: Bearer {key}'"
        assert shell(f"{a_line} {keyed}") == (200, {"message": "Notification triggered"})
        assert shell(f"{b_line.rstrip()} {keyed}") == (200, {"success": True})
        program.says("Received:", {"type": "NOTIFICATION", "data": {"message": "Hello from server!"}})


def test_a_page_of_d_connects_from_an_origin_that_it_allowed(production, node):
    code = snippets.moved(
        listening(), node=production.url("node"), your_jwt_token=their_token(production, "d-page")
    )

    def origin(name: str) -> str:
        return code.replace("  auth: {", f'  extraHeaders: {{ origin: "{name}" }},\n  auth: {{')

    refused = 'socket.on("connect_error", (error) => console.log("refused"));'
    with node(origin("https://yourapp.com")) as program:
        program.says("connected")
    with node(origin("https://evil.example") + refused) as program:
        program.says("refused")
        assert ["connected"] not in program.said
