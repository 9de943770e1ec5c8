"""Drill D31: texts that would be script if a page took them for markup; the console shows them and runs nothing."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_console import new_name

pytestmark = pytest.mark.browser

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "<svg/onload=window.hacked=1>",
    "\"><iframe srcdoc='<script>parent.hacked=1</script>'>",
    "</textarea></style></title><body onload=window.hacked=1>",
    "javascript:window.hacked=1",
    "{{constructor.constructor('window.hacked=1')()}}",
    "<a href='javascript:window.hacked=1' autofocus onfocus='window.hacked=1'>x</a>",
    "<b>\u202e&lt;script&gt;\u2066",
    "--></script><script>window.hacked=1</script>",
)


def test_no_text_of_a_notification_is_run(open_page, http) -> None:
    ana = new_name("<img src=x onerror=window.hacked=1>")
    page = open_page(ana)
    for number, text in enumerate(HOSTILE):
        sent = {
            "message": text,
            "title": text,
            "url": text,
            text: text,
            "n": number,
            "html": {"deep": [text]},
        }
        answer = http.post("/v1/notifications", {"to": {"users": [ana]}, "event": "hostile", "data": sent})
        assert answer.status == 202

    # What other tests sent to everyone is in the list too.
    for text in HOSTILE:
        expect(page.locator("#list > li").filter(has_text=text).first).to_be_visible()
    for item in page.locator("#list > li").all():
        item.click()
    assert page.evaluate("window.hacked") is None
    made = "#list script, #list iframe, #list img[onerror], #list [onload], #list [onfocus], #list a[href^=javascript]"
    assert page.locator(made).count() == 0
