"""The console in a real browser, against the real processes."""

import re
import uuid

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

EVERY_SEQ_ONCE = """async ([node, token, cuts]) => {
  const { Bellhop, MemoryStorage } = await import("/console/bellhop.js");
  const bell = new Bellhop({ url: node, token, storage: new MemoryStorage() });
  window.shown = [];
  window.bell = bell;
  bell.on("notification", ({ event, data }) => {
    if (event !== "count") return;
    window.shown.push(data.n);
    document.title = `shown ${window.shown.length}`;
    if (cuts.includes(data.n)) bell.cut();
  });
  await new Promise((resolve) => {
    bell.on("status", ({ status }) => { if (status === "online") resolve(); });
    bell.connect();
  });
}"""


def new_name(stem: str) -> str:
    """A user nobody has been before, so that tests do not see one another."""
    return f"{stem}-{uuid.uuid4().hex[:6]}"


def send(page: Page, message: str, *, event: str = "order.paid", to: str | None = None) -> None:
    """Fill in the form and send; `to` None: whoever is in the form already."""
    if to == "everyone":
        page.get_by_label("Everyone").check(force=True)
    elif to is not None:
        page.get_by_label(re.compile("^Users separated")).fill(to)
    page.get_by_label("Event", exact=True).fill(event)
    page.get_by_label("Message").fill(message)
    page.get_by_role("button", name="Send", exact=True).click()


def row(page: Page, message: str):
    """The row of the list that carries this message."""
    return page.locator("#list > li").filter(has_text=message)


def steps(page: Page, message: str):
    """The steps of its delivery that are done."""
    return row(page, message).locator(".track li.done")


def test_one_signs_in_sends_to_oneself_and_reads_by_keyboard_alone(open_page):
    ana = new_name("ana")
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type(ana)
    page.keyboard.press("Enter")
    expect(page.locator("#pill")).to_have_text("Online")

    page.get_by_label("Message").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("By keyboard.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(row(page, "By keyboard.")).to_have_count(1)
    expect(steps(page, "By keyboard.")).to_have_count(2)
    expect(page.locator("#announce")).to_have_text("New: order.paid. By keyboard.")
    row(page, "By keyboard.").get_by_role("button", name="Mark read: order.paid").focus()
    page.keyboard.press("Enter")
    expect(steps(page, "By keyboard.")).to_have_count(3)
    expect(row(page, "By keyboard.").get_by_role("button", name="Mark unread: order.paid")).to_be_attached()
    assert page.evaluate("document.activeElement.closest('#list, #inbox-title') !== null")


def test_counts_follow_what_happens(open_page):
    page = open_page(new_name("ana"))
    page.get_by_role("button", name="Mark all read").click()  # what other tests sent to everyone
    expect(page.locator("#count-unread")).to_have_text("0")
    before = int(page.locator("#count-total").inner_text())

    send(page, "One.")
    send(page, "Two.")
    expect(page.locator("#count-unread")).to_have_text("2")
    expect(page.locator("#count-total")).to_have_text(str(before + 2))
    expect(page.locator("#count-unseen")).to_have_text("0")
    row(page, "One.").get_by_role("button", name="Archive").click()
    expect(row(page, "One.")).to_have_count(0)
    expect(page.locator("#count-unread")).to_have_text("1")
    expect(page).to_have_title(re.compile(r"^\(1\) ana-"))
    page.get_by_role("button", name="Mark all read").click()
    expect(page.locator("#count-unread")).to_have_text("0")
    expect(steps(page, "Two.")).to_have_count(3)

    page.get_by_role("button", name="Unread", exact=True).click()
    expect(page.locator("#empty")).to_contain_text("All read")
    page.get_by_role("button", name="Archived").click()
    row(page, "One.").get_by_role("button", name="Back to inbox").click()
    page.get_by_role("button", name="All", exact=True).click()
    expect(row(page, "One.")).to_have_count(1)


def test_sender_sees_the_hops_and_the_time_it_took(open_page):
    page = open_page(new_name("ana"))

    send(page, "How long?")

    expect(row(page, "How long?").locator(".latency")).to_have_text(re.compile(r"^\d+ ms after the POST$"))
    expect(page.locator("#sent li").first).to_contain_text(re.compile(r"stored \d+ ms"))
    expect(page.locator("#sent li").first).to_contain_text(re.compile(r"published \d+ ms"))
    expect(page.locator("#sent li").first).to_contain_text("1/1 delivered")


def test_what_one_device_reads_is_read_on_the_other(open_page):
    ana = new_name("ana")
    desk, phone = open_page(ana), open_page(ana, viewport={"width": 390, "height": 800})

    send(desk, "On both.")
    expect(row(desk, "On both.")).to_have_count(1)
    expect(row(phone, "On both.")).to_have_count(1)
    row(phone, "On both.").get_by_role("button", name="Mark read").click()

    expect(steps(desk, "On both.")).to_have_count(3)
    expect(desk.locator("#count-unread")).to_have_text("0")


def test_one_sends_to_others_and_to_everyone(open_page):
    ana, bo = new_name("ana"), new_name("bo")
    hers, his = open_page(ana), open_page(bo)

    send(hers, "For Bo.", to=bo)
    expect(row(his, "For Bo.")).to_have_count(1)
    expect(row(hers, "For Bo.")).to_have_count(0)
    send(hers, f"For all of you, {ana}.", to="everyone")

    for page in (hers, his):
        expect(row(page, f"For all of you, {ana}.").locator(".tag")).to_have_text(["everyone", f"from {ana}"])


def test_what_is_cancelled_leaves_the_list(open_page, http):
    ana = new_name("ana")
    page = open_page(ana)
    send(page, "Stays.")
    own = http.notify(ana, data={"message": "Wrong."})
    everyones = http.tell_everyone(data={"message": f"Wrong for all, {ana}."})
    expect(row(page, "Wrong.")).to_have_count(1)
    expect(row(page, f"Wrong for all, {ana}.")).to_have_count(1)

    for id in (own, everyones):
        assert http.post(f"/v1/notifications/{id}/cancel", {}).status == 200

    expect(row(page, "Wrong.")).to_have_count(0)
    expect(row(page, f"Wrong for all, {ana}.")).to_have_count(0)
    expect(row(page, "Stays.")).to_have_count(1)


def test_cut_connection_resumes_and_what_was_sent_meanwhile_comes_once(open_page):
    page = open_page(new_name("ana"))
    send(page, "Before.")
    expect(steps(page, "Before.")).to_have_count(2)

    page.get_by_role("button", name="Cut the connection").click()
    expect(page.locator("#pill")).to_contain_text("Offline, back in")
    send(page, "Meanwhile.")
    expect(page.locator("#sent li")).to_have_count(2)
    expect(row(page, "Meanwhile.")).to_have_count(0)

    expect(row(page, "Meanwhile.")).to_have_count(1)
    expect(page.locator("#pill")).to_have_text("Online")
    expect(row(page, "Meanwhile.")).to_contain_text("sent while you were away")
    expect(row(page, "Before.")).to_have_count(1)
    expect(page.locator("#log")).to_contain_text("resumed after me 1")


def test_page_that_is_loaded_again_has_everything_and_stays_signed_in(open_page):
    page = open_page(new_name("ana"))
    send(page, "Kept.")
    expect(steps(page, "Kept.")).to_have_count(2)

    page.reload()

    expect(page.locator("#pill")).to_have_text("Online")
    expect(row(page, "Kept.")).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Name")).to_be_focused()
    page.reload()
    expect(page.get_by_label("Name")).to_be_visible()


def test_page_says_what_the_server_says(open_page):
    page = open_page(new_name("ana"))

    send(page, "Not sent.", event="white space")

    problem = page.locator("#send-problem")
    expect(problem).to_contain_text("event")
    expect(problem).to_contain_text(re.compile(r"HTTP 422 · \w+ · request \S+"))
    expect(page.locator("#sent li")).to_have_count(0)


def test_markup_in_a_notification_stays_text(open_page):
    page = open_page(new_name("ana"))
    evil = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"

    send(page, evil)

    expect(row(page, "taken").locator(".text")).to_have_text(evil)
    assert page.locator("#list img, #list script").count() == 0
    assert page.title() != "taken"


def test_node_that_dies_is_replaced_by_the_other(bellhop, open_page):
    page = open_page(new_name("ana"))
    first = page.locator("#fact-node").inner_text()
    ports = {bellhop.url("node", index).rpartition(":")[2]: index for index in range(2)}

    bellhop.kill("node", ports[first.rpartition(":")[2]], hold=True)
    try:
        expect(page.locator("#log")).to_contain_text("Back on")
        send(page, "Still here.")
        expect(row(page, "Still here.")).to_have_count(1)
        assert page.locator("#fact-node").inner_text() != first
    finally:
        bellhop.release("node", ports[first.rpartition(":")[2]])
        bellhop.ready()


@pytest.mark.parametrize("node", [0, 1])
def test_client_in_the_browser_shows_each_once_over_many_cuts(bellhop, http, open_page, node):
    page, ana = open_page(), new_name("ana")
    address = f"{bellhop.url('node', node, scheme='ws')}/ws"
    page.evaluate(EVERY_SEQ_ONCE, [address, bellhop.token(ana), [0, 3, 4, 11, 20, 21, 22]])

    for n in range(30):
        http.notify(ana, event="count", data={"n": n})

    expect(page).to_have_title("shown 30")
    assert page.evaluate("window.shown") == list(range(30))
    assert page.evaluate("window.bell.position.me") == 30


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_page_never_scrolls_sideways(open_page, width, scheme):
    page = open_page(
        new_name("a-name-that-is-rather-long-" * 3),
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
    )
    send(page, "A long word: " + "ä" * 300, event="a.rather.long.name.of.an.event." * 3)
    expect(row(page, "A long word")).to_have_count(1)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_text_has_enough_contrast_in_both_schemes(open_page):
    for scheme in ("light", "dark"):
        page = open_page(color_scheme=scheme)
        pairs = page.evaluate(
            """() => {
              const style = getComputedStyle(document.documentElement);
              const names = ["paper", "card", "sunk", "ink", "soft", "accent", "on-accent", "good", "warn", "bad",
                "warn-wash", "bad-wash", "wash"];
              return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
            }"""
        )
        for text, ground in [
            ("ink", "paper"),
            ("ink", "card"),
            ("ink", "bad-wash"),
            ("ink", "wash"),
            ("soft", "paper"),
            ("soft", "card"),
            ("soft", "sunk"),
            ("accent", "paper"),
            ("accent", "card"),
            ("on-accent", "accent"),
            ("good", "card"),
            ("warn", "warn-wash"),
            ("good", "wash"),
            ("bad", "bad-wash"),
            ("ink", "sunk"),
        ]:
            assert contrast(pairs[text], pairs[ground]) >= 4.5, (scheme, text, ground)


def contrast(one: str, other: str) -> float:
    """Ratio of WCAG 2, 1.4.3."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Of `#rrggbb`."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
