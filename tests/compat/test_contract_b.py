"""Contract B: the page's own `curl` lines and its WebSocket, in npm `ws` and in a browser."""

import json
import re
from typing import Any

import pytest

from tests.compat.snippets import B_LOGIN, B_NOTIFY, B_SOCKET, moved
from tests.compat.tokens import their_token
from tests.e2e.device import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

FRAME = {"type": "NOTIFICATION", "data": {"message": "Hello from server!"}}


def post(shell, api: str, path: str, body: Any = None) -> tuple[int, Any]:
    given = "" if body is None else f" -H 'Content-Type: application/json' -d '{json.dumps(body)}'"
    return shell(f"curl -X POST {api}{path}{given}")


def notify(shell, api: str, user: str, message: str = "Hello from server!") -> None:
    line = moved(B_NOTIFY, api=api).replace('"19"', f'"{user}"').replace("Hello from server!", message)
    assert shell(line) == (200, {"success": True})


def socket(url: str, token: str) -> str:
    return moved(B_SOCKET, node=url, YOUR_ACCESS_TOKEN=token)


def message(text: str) -> list[Any]:
    """What the page's client logs of a message."""
    return ["Received:", {"type": "NOTIFICATION", "data": {"message": text}}]


def test_the_flow_of_the_page_in_its_order(api, nodes, node, shell):
    status, tokens = shell(moved(B_LOGIN, api=api))
    assert (status, set(tokens)) == (200, {"access", "refresh"})
    with node(socket(nodes[0], tokens["access"])) as program:
        program.says("Connected")
        assert shell(moved(B_NOTIFY, api=api)) == (200, {"success": True})
        program.says("Received:", FRAME)
        assert program.said == [["Connected"], ["Received:", FRAME]]


def test_the_same_in_a_browser(bellhop, api, nodes, page, shell):
    token = their_token(bellhop, "b-browser")
    # As one script, whose `const` does not outlive it.
    page.evaluate(f"() => {{ {socket(nodes[1], token)} }}")
    wait_until(lambda: page.evaluate("said_.length") == 1, 15, "it is open")
    notify(shell, api, "b-browser")
    wait_until(lambda: page.evaluate("said_.length") == 2, 15, "it is shown")

    assert page.evaluate("said_") == [["Connected"], ["Received:", FRAME]]


def test_the_console_of_a_page_that_is_a_file(bellhop, api, nodes, page, shell, tmp_path):
    """'Use any WebSocket client or browser console'. (From about:blank Chromium itself lets nobody to this machine.)"""
    (tmp_path / "page.html").write_text("<!doctype html><title>A page</title>", encoding="utf-8")
    page.goto(f"file://{tmp_path}/page.html")
    page.evaluate("() => { globalThis.said_ = []; console.log = (...words) => said_.push(words); }")
    page.evaluate(f"() => {{ {socket(nodes[0], their_token(bellhop, 'b-console'))} }}")
    wait_until(lambda: page.evaluate("said_") == [["Connected"]], 15, "it is open")
    notify(shell, api, "b-console")
    wait_until(lambda: page.evaluate("said_") == [["Connected"], ["Received:", FRAME]], 15, "it is shown")


def test_what_was_missed_comes_once_and_not_on_every_return(bellhop, api, nodes, node, shell):
    token = their_token(bellhop, "b-away")
    notify(shell, api, "b-away", "missed")
    with node(socket(nodes[0], token)) as program:
        program.says(*message("missed"))
    with node(socket(nodes[1], token)) as program:
        program.says("Connected")
        notify(shell, api, "b-away", "new")
        program.says(*message("new"))
        assert program.said == [["Connected"], message("new")]


def test_a_first_tab_that_closes_leaves_the_second_served(bellhop, api, nodes, node, shell):
    code = socket(nodes[0], their_token(bellhop, "b-tabs"))
    with node(code) as second:
        second.says("Connected")
        with node(code) as first:
            first.says("Connected")
        notify(shell, api, "b-tabs")
        second.says("Received:", FRAME)
        assert second.said == [["Connected"], ["Received:", FRAME]]


def test_a_bad_token_does_not_connect(bellhop, nodes, node):
    for token in (
        "YOUR_ACCESS_TOKEN",
        their_token(bellhop, "b", seconds=-3600),
        their_token(bellhop, "b", seconds=0),
    ):
        with node(socket(nodes[0], token)) as program:
            program.says("Disconnected")
            assert ["Connected"] not in program.said


def test_health_and_readiness(api, shell):
    status, answer = shell(f"curl {api}/health")
    assert (status, set(answer), answer["status"]) == (200, {"status", "timestamp"}, "UP")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["timestamp"])
    assert shell(f"curl {api}/readiness") == (200, {"status": "READY", "redis": "connected"})


def test_what_the_page_has_to_try_it_with(api, shell):
    assert shell(f"curl {api}/error") == (
        500, {"success": False, "message": "This is what an error looks like."},
    )  # fmt: skip
    assert shell(f"curl {api}/status-test") == (200, {"success": True, "data": {"service": "running"}})
    assert post(shell, api, "/zod-test", {"name": "Ana", "age": 30}) == (
        200, {"success": True, "data": {"name": "Ana", "age": 30}},
    )  # fmt: skip
    assert post(shell, api, "/zod-test", {"name": "Ana", "age": "30"}) == (
        400,
        {
            "success": False,
            "message": "Validation failed",
            "errors": [{"field": "age", "message": "Must be a number."}],
        },
    )


@pytest.mark.parametrize("body", [{}, {"userId": "19"}, {"message": "m"}, {"userId": "", "message": "m"}])
def test_a_notification_to_nobody_or_of_nothing_is_refused(api, shell, body):
    status, answer = post(shell, api, "/notify", body)
    assert (status, answer["success"], answer["message"]) == (400, False, "Validation failed")


def test_a_session_is_renewed_and_ended(bellhop, api, nodes, node, shell):
    _, tokens = post(shell, api, "/temp-login", {"userId": "b-session"})
    status, renewed = post(shell, api, "/refresh", {"token": tokens["refresh"]})
    assert (status, set(renewed)) == (200, {"accessToken", "refreshToken"})
    assert renewed["refreshToken"] != tokens["refresh"]
    with node(socket(nodes[0], renewed["accessToken"])) as program:
        program.says("Connected")
        assert post(shell, api, "/logout", {"token": renewed["refreshToken"]}) == (
            200, {"success": True, "message": "Logged out safely"},
        )  # fmt: skip
        # The nodes are told: nobody goes on with a token of a session that is over.
        program.says("Disconnected")
    status, answer = post(shell, api, "/refresh", {"token": renewed["refreshToken"]})
    assert (status, answer["success"]) == (401, False)
    with node(socket(nodes[1], renewed["accessToken"])) as program:
        program.says("Disconnected")


def test_a_refresh_token_that_comes_again_ends_its_session(api, nodes, node, shell):
    _, first = shell(moved(B_LOGIN, api=api))
    _, second = post(shell, api, "/refresh", {"token": first["refresh"]})
    _, third = post(shell, api, "/refresh", {"token": second["refreshToken"]})
    with node(socket(nodes[0], third["accessToken"])) as program:
        program.says("Connected")
        assert post(shell, api, "/refresh", {"token": first["refresh"]})[0] == 401
        program.says("Disconnected")
    assert post(shell, api, "/refresh", {"token": third["refreshToken"]})[0] == 401


@pytest.mark.parametrize("path", ["/refresh", "/logout"])
@pytest.mark.parametrize("body", [None, {}, {"token": ""}, {"token": 5}])
def test_without_a_token_there_is_nothing_to_renew_or_end(api, shell, path, body):
    status, answer = post(shell, api, path, body)
    assert (status, answer["success"]) == (400, False)


def test_who_is_disabled_is_let_in_by_no_door(api, http, shell):
    _, tokens = post(shell, api, "/temp-login", {"userId": "b-disabled"})
    assert http.post("/v1/users/b-disabled/disable", {}).status == 200

    told = (401, {"success": False, "message": "This user is disabled."})
    assert post(shell, api, "/temp-login", {"userId": "b-disabled"}) == told
    assert post(shell, api, "/refresh", {"token": tokens["refresh"]})[0] == 401
