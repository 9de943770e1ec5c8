"""A real Bellhop and a real Chromium. Skipped where no Chromium is installed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from launcher.system import Ports, System
from tests.e2e.http import Http
from tests.fixtures.browser import CHROMIUM

PATIENCE_MS = 15_000

expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser there is nothing to drive."""
    for item in items:
        if "tests/browser" in item.path.as_posix() and CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="chromium is not installed"))


@pytest.fixture(scope="session")
def bellhop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The Procfile's processes on ports of their own."""
    with start(tmp_path_factory.mktemp("bellhop")) as system:
        yield system


def start(data: Path) -> System:
    """A Bellhop that has everything, for a `with` statement."""
    return System(data, ports=Ports.free(), env={"BELLHOP_LOG_FORMAT": "json"})


@pytest.fixture
def http(bellhop: System) -> Http:
    """A backend with the development API key."""
    return Http(bellhop.url("api"), bellhop.api_key)


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(bellhop: System, browser: Browser) -> Iterator[OpenPage]:
    """Opens the console in a window of its own. What the page complains about fails the test at its end."""
    contexts = []
    complaints: list[str] = []

    def build(user: str | None = None, **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None,
        )
        page.goto(f"{bellhop.url('api')}/console")
        if user is not None:
            page.get_by_label("Name").fill(user)
            page.get_by_role("button", name="Sign in").click()
            expect(page.locator("#pill")).to_have_text("Online")
        return page

    yield build
    for context in contexts:
        context.close()
    assert complaints == []
