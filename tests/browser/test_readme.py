"""The snippets of README.md, clients/README.md and the guide to signing in are run as they stand, elsewhere."""

import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).parents[2]
CLIENTS, FRONT = (
    path.read_text(encoding="utf-8") for path in (ROOT / "clients" / "README.md", ROOT / "README.md")
)
NODE = shutil.which("node")
PATIENCE = 20.0

pytestmark = pytest.mark.browser


AROUND = {
    "js": "const fetchToken = async () => process.env.TOKEN;\n"
    "const show = (event, data) => console.log(event, JSON.stringify(data));\n",
    "python": "import functools, os; token = os.environ['TOKEN']; print = functools.partial(print, flush=True)\n",
}
"""What README.md leaves to the reader."""


def snippet(page: str, language: str) -> str:
    """The one code block of this language."""
    (code,) = re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return code.replace("./bellhop.js", "./clients/js/bellhop.js")


def node_command() -> list[str]:
    """Node 20 has its WebSocket behind a flag."""
    told = subprocess.run([NODE, "--version"], check=True, capture_output=True, text=True).stdout
    flags = [] if int(told[1:].split(".")[0]) >= 22 else ["--experimental-websocket", "--no-warnings"]
    return [NODE, *flags, "--input-type=module", "-e"]


def command(language: str) -> list[str]:
    """What runs a program of this language that comes as the last argument."""
    if language == "js" and NODE is None:
        pytest.skip("node is not installed")
    return node_command() if language == "js" else [sys.executable, "-c"]


@pytest.fixture
def say(bellhop, tmp_path):
    """Runs a program as a user, and gives its lines one by one."""
    started = []

    def run(command: list[str], code: str, user: str):
        code = code.replace("ws://127.0.0.1:8001", bellhop.url("node", scheme="ws"))
        code = re.sub(r'"[a-z.]*position\.json"', f'"{tmp_path / "position.json"}"', code)
        env = {**os.environ, "TOKEN": bellhop.token(user), "PYTHONPATH": str(ROOT / "clients" / "python")}
        process = subprocess.Popen([*command, code], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
        started.append(process)
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: [lines.put(line.strip()) for line in process.stdout]).start()
        return lambda: lines.get(timeout=PATIENCE)

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("language", ["js", "python"])
def test_snippet_shows_what_is_posted(say, http, language):
    user = f"ana-{uuid.uuid4().hex[:6]}"
    line = say(command(language), snippet(CLIENTS, language), user)
    assert line() == "connecting"
    until(line, "online")

    http.notify(user, event="readme.shown", data={"message": "Paid."})

    assert "Paid." in until(line, "readme.shown {")


@pytest.mark.parametrize("language", ["js", "python"])
def test_what_the_front_page_shows_first_shows_what_is_posted(say, http, language):
    user = f"ana-{uuid.uuid4().hex[:6]}"
    line = say(command(language), AROUND[language] + snippet(FRONT, language), user)

    http.notify(user, event="readme.shown", data={"message": "Paid."})

    assert "Paid." in until(line, "readme.shown {")


def test_the_page_of_the_guide_signs_in_and_is_still_signed_in_after_a_reload(bellhop, http, browser):
    guide = (ROOT / "docs" / "guides" / "sign-in.md").read_text(encoding="utf-8")
    (page,) = re.findall(r"^```html\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    page = page.replace("ws://127.0.0.1:8001", bellhop.url("node", scheme="ws"))
    user = f"mona-{uuid.uuid4().hex[:6]}"
    credentials = {"username": user, "password": "correct horse battery"}
    assert http.post("/v1/auth/register", credentials).status == 201
    # A page that the test hands out comes from nowhere as the browser sees it.
    with closing(browser.new_context(permissions=["local-network-access"])) as context:
        tab = context.new_page()
        tab.route("**/page", lambda route: route.fulfill(content_type="text/html", body=page))
        tab.goto(f"{bellhop.url('api')}/page")
        for name, value in credentials.items():
            tab.locator(f"[name={name}]").fill(value)

        tab.get_by_role("button").click()
        expect(tab.locator("#login")).to_be_hidden()
        http.notify(user, event="order.paid", data={"message": "<b>Order</b> 17"})
        expect(tab.locator("#inbox")).to_contain_text("order.paid: <b>Order</b> 17")

        tab.reload()
        expect(tab.locator("#login")).to_be_hidden()
        http.notify(user, event="order.sent", data={"message": "On its way."})
        expect(tab.locator("#inbox")).to_contain_text("order.sent: On its way.")

        assert http.post(f"/v1/users/{user}/disable", {}).status == 200
        expect(tab.locator("#login")).to_be_visible()


def until(line: Callable[[], str], start: str) -> str:
    """The next line that starts so; others, such as what was sent to everyone, are passed over."""
    while not (said := line()).startswith(start):
        pass
    return said
