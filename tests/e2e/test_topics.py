"""From a subscription over HTTP to what devices show: by the topic, by a wildcard, and never to who is out."""

from urllib.parse import quote

from launcher.system import System
from tests.e2e.device import Device, wait_until
from tests.e2e.http import Http

TOPIC = "project/42/build"


def subscribe(http: Http, topic: str, user: str) -> None:
    answer = http.call("PUT", f"/v1/topics/{quote(topic, safe='')}/subscribers/{quote(user, safe='')}")
    assert answer.status == 204, answer


def test_a_topic_reaches_its_subscribers_and_nobody_else(bellhop: System, http: Http):
    subscribe(http, TOPIC, "by-name")
    subscribe(http, "project/42/#", "by/wildcard")
    subscribe(http, TOPIC, "excluded")
    subscribe(http, "project/43/#", "elsewhere")
    to = {"topics": [TOPIC], "exclude": {"users": ["excluded"]}}
    with (
        Device(bellhop, "by-name", nodes=[0]) as by_name,
        Device(bellhop, "by/wildcard", nodes=[1]) as by_wildcard,
        Device(bellhop, "excluded", nodes=[0]) as excluded,
        Device(bellhop, "elsewhere", nodes=[1]) as elsewhere,
    ):
        answer = http.post("/v1/notifications", {"to": to, "event": "build.failed", "data": {"build": 7}})
        assert answer.status == 202, answer
        sent = answer.body["id"]
        for device in (by_name, by_wildcard):
            device.sees(sent)
        assert by_wildcard.shown[0]["data"] == {"build": 7}

        # What comes after it has arrived, so it would have been seen.
        later = http.notify("excluded", "elsewhere", "by-name", "by/wildcard")
        for device in (by_name, by_wildcard, excluded, elsewhere):
            device.sees(later)
            device.shows_each_once_in_order()
        assert excluded.ids() == elsewhere.ids() == [later]
        assert by_name.ids() == by_wildcard.ids() == [sent, later]

    wait_until(
        lambda: http.get(f"/v1/notifications/{sent}").body["counts"] == {"delivered": 2}, 10, "both delivered"
    )
    assert http.get(f"/v1/notifications/{sent}").body["recipients"] == 2


def test_who_was_unsubscribed_gets_what_came_before_and_nothing_after(bellhop: System, http: Http):
    subscribe(http, "news", "ana")
    with Device(bellhop, "ana") as ana:
        to = {"topics": ["news"]}
        before = http.post("/v1/notifications", {"to": to, "event": "e"}).body["id"]
        ana.sees(before)
        assert http.call("DELETE", "/v1/topics/news/subscribers/ana").status == 204
        after = http.post("/v1/notifications", {"to": to, "event": "e"}).body["id"]
        wait_until(
            lambda: http.get(f"/v1/notifications/{after}").body["recipients"] == 0, 15, "stored for nobody"
        )
        last = http.notify("ana")
        ana.sees(last)

    assert ana.ids() == [before, last]
