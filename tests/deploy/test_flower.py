"""Flower through the one public port, in a browser: its pages, files and what they ask for, behind its password."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.deploy.conftest import Behind
from tests.deploy.edge import Edge
from tests.e2e.http import Http

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(120)]

PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def edge(behind: Behind) -> Iterator[Edge]:
    """An nginx of this file's own: on that of the others somebody has been guessing the password."""
    with Edge(behind.places) as edge:
        yield edge


@pytest.fixture
def page(browser: Browser, edge: Edge, whole: Behind) -> Iterator[Page]:
    """A window that knows the password. What is missing, refused, from elsewhere or complained of fails the test."""
    password = whole.system.data.flower_password.read_text().strip()
    credentials = {"username": whole.system.settings.flower_user, "password": password, "origin": edge.url}
    context = browser.new_context(http_credentials=credentials)
    complaints: list[str] = []
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on(
        "response", lambda one: complaints.append(f"{one.status} {one.url}") if one.status >= 400 else None
    )
    page.on(
        "request",
        lambda one: (
            None if one.url.startswith((f"{edge.url}/flower/", "data:")) else complaints.append(one.url)
        ),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def test_the_workers_and_their_pages_are_shown(page: Page, edge: Edge, whole: Behind):
    page.goto(f"{edge.url}/flower/")
    table = page.locator("#workers-table")
    for name in ("worker@", "worker_bulk@"):
        expect(table.locator("tbody tr", has_text=name).first).to_contain_text("Online", timeout=PATIENCE_MS)
    page.locator(".worker-name-link", has_text="worker_bulk@").click()
    expect(page).to_have_url(f"{edge.url}/flower/worker/" + page.url.rpartition("/")[2])
    expect(page.locator("body")).to_contain_text("worker_bulk@")


def test_the_jobs_of_a_notification_are_shown(page: Page, edge: Edge, whole: Behind, http: Http):
    http.notify("seen-in-flower")
    page.goto(f"{edge.url}/flower/tasks")
    page.locator("input[type=search]").fill("deliver")
    expect(page.locator("#tasks-table tbody tr").first).to_contain_text("deliver", timeout=PATIENCE_MS)


def test_the_queues_are_shown(page: Page, edge: Edge, whole: Behind):
    """Those of each worker, once it has answered what Flower asks it at the start."""
    page.goto(f"{edge.url}/flower/broker")
    for queue in ("critical", "maintenance"):
        for _ in range(5):
            if page.get_by_role("cell", name=queue, exact=True).count() == 0:
                page.goto(f"{edge.url}/flower/api/workers?refresh=1")
                page.goto(f"{edge.url}/flower/broker")
        expect(page.get_by_role("cell", name=queue, exact=True)).to_be_visible()
