"""Contract C: a page that signs in with a refresh cookie and follows by Socket.IO, on two instances, in a browser.

Its own page names no route and no event: this is the client that it describes, with ours.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.compat.programs import NODE_TESTS
from tests.compat.tokens import their_token
from tests.e2e.device import wait_until
from tests.e2e.http import Http

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

INDEX = """\
<!doctype html>
<meta charset="utf-8">
<title>Realtime Notifications Demo</title>
<script src="socket.io.js"></script>
<script>
  let access, socket;
  const shown = [], people = [], lost = [];

  async function ask(path, body) {
    const answer = await fetch(path, {
      method: "POST",
      credentials: "include",
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body && JSON.stringify(body),
    });
    const told = answer.status === 204 ? {} : await answer.json();
    access = told.access ?? access;
    return answer.status;
  }

  function connect(url, token, options = {}) {
    socket = io(url, { auth: { token: token ?? access }, forceNew: true, ...options });
    socket.on("new_notification", (notification) => shown.push(notification.message));
    socket.on("user_joined", ({ user }) => people.push(`${user} joined`));
    socket.on("user_left", ({ user }) => people.push(`${user} left`));
    socket.on("connect_error", (error) => lost.push(error.data?.code ?? error.message));
    return new Promise((done) => socket.on("connect", () => done(socket.id)));
  }
</script>
"""
PASSWORD = "correct horse battery staple"


@pytest.fixture
def index(site: tuple[str, Path], node_program: str, browser: Browser) -> Iterator[Page]:
    """`index.html` in a browser, from its own server."""
    origin, folder = site
    shutil.copy(NODE_TESTS / "node_modules" / "socket.io-client" / "dist" / "socket.io.js", folder)
    (folder / "index.html").write_text(INDEX, encoding="utf-8")
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{origin}/index.html")
    yield page
    context.close()


def named(url: str) -> str:
    """An address of the site that the page is of: to a browser 127.0.0.1 and localhost are two."""
    return url.replace("127.0.0.1", "localhost")


def asks(page: Page, url: str, body: Any = None) -> int:
    return int(page.evaluate("([url, body]) => ask(url, body)", [url, body]))


def shows(page: Page, *messages: str) -> None:
    """Wait until the page has shown this, and nothing else."""
    wait_until(lambda: page.evaluate("shown.length") >= len(messages), 15, f"{messages} are shown")
    assert page.evaluate("shown") == list(messages)


def connect(page: Page, url: str, token: str | None = None, **options: Any) -> None:
    assert page.evaluate("(given) => connect(...given)", [url, token, options])


def leave(page: Page, http: Http, sent: list[str]) -> None:
    """Leave once all this counts as delivered: who leaves within some milliseconds may be shown it again."""

    def states() -> set[str]:
        found = [http.get(f"/v1/notifications/{id}/deliveries").body["items"] for id in sent]
        return {one["state"] for items in found for one in items}

    wait_until(lambda: states() == {"delivered"}, 15, "it is delivered")
    page.evaluate("socket.disconnect()")


def test_login_refresh_and_logout_with_the_cookie(http, api, nodes, index):
    api = named(api)
    account = {"username": "c-cookie", "password": PASSWORD}
    assert http.post("/v1/auth/register", account).status == 201
    assert asks(index, f"{api}/v1/auth/login", account) == 200
    (cookie,) = [one for one in index.context.cookies(api) if one["name"].endswith("bellhop_refresh")]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert index.evaluate("document.cookie") == ""

    assert asks(index, f"{api}/v1/auth/refresh") == 200
    connect(index, nodes[0])
    http.notify("c-cookie", data={"message": "with the new token"})
    shows(index, "with the new token")
    (renewed,) = [one for one in index.context.cookies(api) if one["name"].endswith("bellhop_refresh")]
    assert renewed["value"] != cookie["value"]

    assert asks(index, f"{api}/v1/auth/logout") == 204
    wait_until(lambda: not index.evaluate("socket.connected"), 10, "its sockets are closed")
    assert asks(index, f"{api}/v1/auth/refresh") == 401
    assert asks(index, f"{api}/v1/auth/login", {**account, "password": "wrong one"}) == 401


def test_an_access_token_that_is_over_is_said_so_and_the_next_one_connects(bellhop, http, api, nodes, index):
    account = {"username": "c-expired", "password": PASSWORD}
    assert http.post("/v1/auth/register", account).status == 201
    assert asks(index, f"{named(api)}/v1/auth/login", account) == 200
    old = their_token(bellhop, "c-expired", seconds=-3600)
    index.evaluate("([url, token]) => { connect(url, token); }", [nodes[0], old])
    wait_until(lambda: index.evaluate("lost") == ["token_expired"], 15, "it is told")
    assert asks(index, f"{named(api)}/v1/auth/refresh") == 200
    connect(index, nodes[0])


@pytest.mark.parametrize("transports", [["polling", "websocket"], ["websocket"], ["polling"]], ids="+".join)
def test_what_was_missed_comes_once_on_either_instance(bellhop, http, nodes, index, transports):
    user = "c-away-" + "-".join(transports)
    token = their_token(bellhop, user)
    sent = [http.notify(user, data={"message": "before the first visit"})]
    connect(index, nodes[0], token, transports=transports)
    shows(index, "before the first visit")
    leave(index, http, sent)
    sent += [http.notify(user, data={"message": f"missed {n}"}) for n in range(2)]
    connect(index, nodes[1], token, transports=transports)
    shows(index, "before the first visit", "missed 0", "missed 1")
    leave(index, http, sent)
    connect(index, nodes[0], token, transports=transports)
    http.notify(user, data={"message": "new"})
    shows(index, "before the first visit", "missed 0", "missed 1", "new")


def test_tabs_on_two_instances_are_both_served_and_one_that_closes_takes_nothing_from_the_other(
    bellhop, http, nodes, index
):
    token = their_token(bellhop, "c-tabs")
    other = index.context.new_page()
    other.goto(index.url)
    connect(index, nodes[0], token)
    connect(other, nodes[1], token)
    http.notify("c-tabs", data={"message": "to both"})
    shows(index, "to both")
    shows(other, "to both")
    index.close()
    http.notify("c-tabs", data={"message": "to the second"})
    shows(other, "to both", "to the second")


def test_join_and_leave_are_told_across_instances(bellhop, nodes, index):
    connect(index, nodes[0], their_token(bellhop, "c-watches"))
    other = index.context.new_page()
    other.goto(index.url)
    # By a WebSocket from the start: of one that still polls only its silence tells that the page is gone.
    connect(other, nodes[1], their_token(bellhop, "c-joins"), transports=["websocket"])
    wait_until(lambda: "c-joins joined" in index.evaluate("people"), 15, "the other has joined")
    assert "c-watches joined" not in index.evaluate("people")
    other.close()
    wait_until(
        lambda: "c-joins left" in index.evaluate("people"), 60, "the other has left, for the 10 s of grace"
    )


def test_index_html_opened_as_a_file(bellhop, http, nodes, index, site):
    """'Open `index.html` in your browser': a page without a server has the origin null."""
    index.goto(f"file://{site[1]}/index.html")
    token = their_token(bellhop, "c-file")
    connect(index, nodes[0], token)
    sent = http.notify("c-file", data={"message": "by both transports"})
    shows(index, "by both transports")
    leave(index, http, [sent])
    connect(index, nodes[1], token, transports=["websocket"])
    http.notify("c-file", data={"message": "by a WebSocket"})
    shows(index, "by both transports", "by a WebSocket")
