"""The console's views of the story, in a real browser against the real processes."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import select, update

from shared.clock import SystemClock, to_datetime
from shared.db import Database
from shared.ids import uuid7
from shared.models import tables as t
from shared.protocol.journal import Entry
from shared.store.rescues import store_failed
from tests.browser.test_console import new_name
from tests.e2e.device import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def database(bellhop) -> Iterator[Database]:
    """The database of the running system, for what no request can bring about quickly."""
    database = Database(bellhop.settings.database_url)
    yield database
    database.close()


def view(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Views").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_focused()


def lines(page: Page):
    """The rows of the one table on the stage."""
    return page.locator("#stage tbody tr")


def go(page: Page, place: str) -> None:
    page.evaluate("place => { location.hash = place; }", place)


def hold_and_skip(database: Database, id: str, held: str, skipped: str) -> None:
    """What a time zone and a cap would do."""
    d, u = t.deliveries.c, t.users.c
    until = to_datetime(SystemClock().now_ms() + 3_600_000)
    for name, values in (
        (held, {"state": "held", "reason": "local_time", "held_until": until, "seq": None}),
        (skipped, {"state": "skipped", "reason": "frequency_cap", "seq": None}),
    ):
        user = select(u.id).where(u.name == name).scalar_subquery()
        of_user = (d.notification_id == id) & (d.user_id == user)
        database.run(
            lambda session, of_user=of_user, values=values: session.execute(
                update(t.deliveries).where(of_user).values(values)
            )
        )


def give_up(database: Database, user: str, event: str) -> str:
    """One that a worker could not store in all its attempts."""
    now = SystemClock().now_ms()
    entry = Entry(
        id=uuid7(now, os.urandom(10)),
        app="main",
        accepted_at=now,
        expires_at=now + 86_400_000,
        request_id="r-1",
        sender="key:test",
        priority="normal",
        users=(user,),
        everyone=False,
        exclude=(),
        event=event,
        data_json="{}",
        ttl=86_400,
    )
    database.run(
        lambda session: store_failed(session, entry, error="DataError: bad value", attempts=8, now_ms=now)
    )
    return entry.id


def test_the_list_is_filtered_and_follows_what_happens(http, open_page):
    thread, ana = new_name("thread"), new_name("ana")
    page = open_page(new_name("eve"))
    http.notify(ana, event="first.one", thread_key=thread)
    http.notify(ana, event="other.one")

    view(page, "Story")
    expect(lines(page).filter(has_text="other.one").first).to_be_visible()
    page.get_by_label("Thread key").fill(thread)
    page.get_by_role("button", name="Show").click()
    expect(lines(page)).to_have_count(1)
    expect(lines(page).first).to_contain_text("sent")
    http.notify(ana, event="second.one", thread_key=thread)
    expect(lines(page)).to_have_count(2)
    expect(lines(page).first).to_contain_text("second.one")

    page.reload()
    expect(page.get_by_label("Thread key")).to_have_value(thread)
    expect(lines(page)).to_have_count(2)
    page.get_by_label("Status").select_option("cancelled")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#stage")).to_contain_text("No notification matches.")


def test_one_can_leave_the_story_and_come_back_by_the_browser(http, open_page):
    page = open_page(new_name("eve"))
    id = http.notify(new_name("ana"), event="there.and.back")

    view(page, "Story")
    page.get_by_role("link", name="there.and.back").first.click()
    expect(page.locator("#stage")).to_contain_text(id)
    page.go_back()
    expect(page.get_by_role("link", name="there.and.back").first).to_be_visible()
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Inbox").click()
    expect(page.get_by_role("heading", level=1, name="Inbox")).to_be_visible()
    expect(page.locator("#stage")).to_be_hidden()
    expect(page.locator("#pill")).to_have_text("Online")


def test_one_notification_tells_who_got_it_and_who_did_not_and_why(database, http, open_page):
    ana, bob, cy = (new_name(name) for name in ("ana", "bob", "cy"))
    page = open_page(ana)
    others = [new_name("x") for _ in range(7)]
    id = http.notify(ana, bob, cy, *others, event="deploy.done", data={"build": 7})
    go(page, f"#/story/{id}")
    expect(page.locator(".progress")).to_contain_text("1 of 10 at their end")

    hold_and_skip(database, id, bob, cy)

    expect(page.locator(".story-head")).to_have_text("deploy.donesent")
    picture = page.locator(".bar-of")
    expect(picture).to_have_attribute("aria-label", "1 delivered, 7 sent, 1 held, 1 skipped")
    way = page.get_by_role("list", name="Timeline").get_by_role("listitem")
    expect(way).to_have_count(4)
    expect(way.nth(2)).to_contain_text(re.compile(r"published.* \+\d+ ms"))
    page.get_by_role("button", name="1 held").click()
    expect(lines(page)).to_have_count(1)
    expect(lines(page).first).to_contain_text(bob)
    expect(lines(page).first).to_contain_text("local_time")
    expect(lines(page).locator("td").nth(3).locator("time")).to_be_visible()
    page.get_by_role("button", name="1 skipped").click()
    expect(lines(page).first).to_contain_text("frequency_cap")
    expect(page.get_by_role("button", name="1 skipped")).to_be_focused()


def test_one_user_is_looked_up(database, http, open_page):
    # Names of its own: what other tests told everyone is this user's too.
    bob, done, order = new_name("bob"), new_name("deploy.done"), new_name("order.paid")
    page = open_page(new_name("eve"))
    id = http.notify(bob, new_name("x"), event=done)
    paid = http.notify(bob, event=order)
    stored = ("sent", "completed")
    wait_until(lambda: http.get(f"/v1/notifications/{paid}").body["status"] in stored, 15, "both are stored")
    go(page, f"#/story/{id}")
    expect(page.locator(".progress")).to_contain_text("0 of 2 at their end")
    hold_and_skip(database, id, bob, "nobody")

    view(page, "Story")
    page.get_by_label("Why did this user not get it?").fill(bob)
    page.get_by_role("button", name="Look up").click()

    expect(page.get_by_role("heading", level=1, name=f"For {bob}")).to_be_visible()
    mine = lines(page).filter(has_text=re.compile(f"{done}|{order}"))
    expect(mine).to_have_count(2)
    expect(lines(page).filter(has_text=done)).to_contain_text("local_time")
    page.get_by_label("State").select_option("held")
    expect(lines(page)).to_have_count(1)
    expect(lines(page)).to_contain_text(done)
    lines(page).get_by_role("link", name=done).click()
    expect(page.locator("#stage")).to_contain_text(id)


def test_whether_a_user_is_online_is_on_their_page(open_page):
    name = new_name("ana")
    page = open_page(name)
    go(page, f"#/user/{name}")

    expect(page.locator("#stage .presence")).to_have_text("Online, 1 open connection.")


def test_an_unknown_user_is_said_to_be_unknown(open_page):
    page = open_page(new_name("eve"))
    go(page, f"#/user/{new_name('never')}")

    expect(page.locator("#stage [role=alert]")).to_contain_text("HTTP 404")


def test_a_dead_letter_is_sent_again_by_keyboard(database, open_page):
    # For somebody else: what arrives here is announced too, and may come before one has read the answer.
    bob, event = new_name("bob"), f"bad.{new_name('event')}"
    page = open_page(new_name("ana"))
    give_up(database, bob, event)

    view(page, "Failed")
    row = lines(page).filter(has_text=event)
    expect(row).to_contain_text("DataError: bad value")
    expect(row).to_contain_text("8")
    row.get_by_role("button", name=f"Send again: {event}").focus()
    page.keyboard.press("Enter")

    expect(page.locator("#announce")).to_have_text(f"Sent again: {event}")
    expect(row).to_have_count(0)
    go(page, f"#/user/{bob}")
    expect(lines(page).filter(has_text=event)).to_have_count(1)


def test_a_broadcast_tells_how_many_have_it(http, open_page):
    page = open_page(new_name("ana"))
    # Short, so that the inboxes of other tests do not count it.
    id = http.tell_everyone(event="maintenance", ttl=2)
    go(page, f"#/story/{id}")

    expect(page.locator(".progress")).to_contain_text(re.compile(r"To everyone; \d+ have acknowledged it"))


def test_schedules_show_their_next_runs_and_can_be_paused(open_page):
    page = open_page(new_name("eve"))
    asked: list[str] = []
    item: dict[str, Any] = {
        "id": "s1",
        "name": "weekly report",
        "cron": "0 9 * * 1",
        "every": None,
        "timezone": "Europe/Berlin",
        "paused": False,
        "next": ["2099-01-05T08:00:00.000Z", "2099-01-12T08:00:00.000Z"],
    }

    def answer(route: Route) -> None:
        if route.request.method == "POST":
            asked.append(route.request.url.rpartition("/")[2])
            item["paused"] = asked[-1] == "pause"
        body = {"items": [item], "next": None} if route.request.method == "GET" else item
        route.fulfill(json=json.loads(json.dumps(body)))

    page.route("**/v1/schedules**", answer)

    view(page, "Schedules")
    expect(lines(page)).to_contain_text("weekly report")
    expect(lines(page)).to_contain_text("0 9 * * 1")
    expect(lines(page).locator("time")).to_have_count(2)
    page.get_by_role("button", name="Pause: weekly report").click()
    expect(lines(page)).to_contain_text("paused")
    page.get_by_role("button", name="Run now: weekly report").click()
    expect(page.locator("#announce")).to_have_text("Run now: weekly report")
    assert asked == ["pause", "run-now"]


def test_where_there_are_no_schedules_the_page_says_so(open_page):
    page = open_page(new_name("eve"))
    page.route(
        "**/v1/schedules**", lambda route: route.fulfill(status=404, json={"error": {"code": "not_found"}})
    )

    view(page, "Schedules")

    expect(page.locator("#stage")).to_contain_text("This Bellhop shows no schedules here.")


def test_markup_in_names_stays_text(http, open_page):
    evil = f"<img src=x onerror=\"document.title='taken'\">{new_name('x')}"
    page = open_page(new_name("eve"))
    id = http.notify(evil, event="x.y", tags=["<b>tag</b>"])

    go(page, f"#/story/{id}")
    expect(page.get_by_role("link", name=evil)).to_be_visible()
    page.get_by_role("link", name=evil).click()

    expect(page.get_by_role("heading", level=1)).to_have_text(f"For {evil}")
    expect(lines(page).filter(has_text="x.y")).to_have_count(1)
    assert page.locator("#stage img, #stage b").count() == 0
    assert page.title() != "taken"


@pytest.mark.parametrize("width", [360, 768])
def test_the_story_never_scrolls_the_page_sideways(http, open_page, width):
    long = "a.rather.long.name.of.an.event." * 3
    id = http.notify(new_name("a-name-that-is-rather-long-" * 4), event=long, tags=["t" * 64])
    page = open_page(new_name("eve"), viewport={"width": width, "height": 800})

    for place, seen in (
        ("#/story", long),
        (f"#/story/{id}", id),
        ("#/failed", "Failed"),
        ("#/schedules", "Schedules"),
    ):
        go(page, place)
        expect(page.locator("#stage")).to_contain_text(seen)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
