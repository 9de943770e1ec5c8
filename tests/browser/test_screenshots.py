"""The pictures in docs/img: taken by a test, so that they show the page as it is.

They are written where UPDATE_SCREENSHOTS is set; otherwise the pages are drawn and thrown away.
"""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from shared.clock import SystemClock, rfc3339
from shared.db import Database
from tests.browser.conftest import start
from tests.browser.test_console import row, send, steps
from tests.browser.test_story import give_up, go, hold_and_skip, lines, view

pytestmark = pytest.mark.browser

IMAGES = Path(__file__).parents[2] / "docs" / "img"


@pytest.fixture(scope="module")
def bellhop(tmp_path_factory):
    """One of its own: what other tests sent to everyone is no part of the picture."""
    with start(tmp_path_factory.mktemp("bellhop")) as system:
        yield system


@pytest.fixture
def folder(tmp_path):
    if not os.environ.get("UPDATE_SCREENSHOTS"):
        return tmp_path
    IMAGES.mkdir(parents=True, exist_ok=True)
    return IMAGES


def fill(page: Page) -> None:
    """A short story: three of one's own, one to everyone, one that came while the line was cut."""
    send(page, "Your order 17 is paid. We are packing it now.")
    expect(steps(page, "order 17")).to_have_count(2)
    send(page, "api 1.4.2 is live in both regions.", event="deploy.finished", to="ana, bo")
    row(page, "1.4.2").get_by_role("button", name="Mark read").click()
    expect(steps(page, "1.4.2")).to_have_count(3)
    send(
        page,
        "Sunday 02:00 to 02:15 UTC: short interruptions while the database moves.",
        event="maintenance.planned",
        to="everyone",
    )
    expect(steps(page, "Sunday")).to_have_count(2)
    page.get_by_role("button", name="Cut the connection").click()
    page.get_by_label("Users", exact=True).check(force=True)
    send(page, "Invoice 2026-0312 is ready to download.", event="invoice.ready", to="ana")
    expect(page.locator("#pill")).to_have_text("Online")
    expect(steps(page, "Invoice")).to_have_count(2)
    expect(page.locator("#sent li").first).to_contain_text("1/1 delivered")
    expect(page.locator("#count-unread")).to_have_text("3")


def test_pictures_of_the_console(open_page, folder):
    page = open_page("ana", color_scheme="light", device_scale_factor=1.5)
    fill(page)
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=folder / "console.png", full_page=True)

    dark = open_page("ana", color_scheme="dark", device_scale_factor=1.5)
    expect(dark.locator("#list > li")).to_have_count(4)
    dark.screenshot(path=folder / "console-dark.png")

    phone = open_page(
        "ana", color_scheme="dark", viewport={"width": 390, "height": 844}, device_scale_factor=2
    )
    expect(phone.locator("#list > li")).to_have_count(4)
    phone.screenshot(path=folder / "console-phone.png")

    assert all((folder / f"{name}.png").stat().st_size > 20_000 for name in ("console", "console-dark"))


def test_pictures_of_the_story(bellhop, http, open_page, folder):
    page = open_page("ana", color_scheme="light", device_scale_factor=1.5)
    crowd = [f"team-{number:02d}" for number in range(36)]
    id = http.notify(
        "ana", "bo", "cleo", *crowd, event="deploy.finished", tags=["production"], thread_key="release-7"
    )
    http.notify("bo", event="order.paid")
    http.notify("dora", event="invoice.ready")
    http.notify("dora", event="report.weekly", send_at=rfc3339(SystemClock().now_ms() + 3_600_000))
    database = Database(bellhop.settings.database_url)
    give_up(database, "eve", "order.cancelled")
    go(page, f"#/story/{id}")
    expect(page.locator(".progress")).to_contain_text("1 of 39 at their end")
    hold_and_skip(database, id, "bo", "cleo")
    database.close()
    expect(page.locator(".bar-of")).to_have_attribute("aria-label", re.compile("1 held, 1 skipped"))
    expect(page.get_by_role("table", name="Deliveries")).to_contain_text("frequency_cap")
    page.screenshot(path=folder / "console-story.png")

    view(page, "Story")
    expect(lines(page).filter(has_text="scheduled")).to_have_count(1)
    page.screenshot(path=folder / "console-stories.png")
    phone = open_page("bo", color_scheme="dark", viewport={"width": 390, "height": 844})
    go(phone, f"#/story/{id}")
    expect(phone.locator(".bar-of")).to_be_visible()
    phone.screenshot(path=folder / "console-story-phone.png")

    assert all((folder / f"console-{name}.png").stat().st_size > 20_000 for name in ("story", "stories"))
