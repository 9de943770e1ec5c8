"""Later, at each one's own time, and in place of what was not read: through the real processes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from launcher.system import System
from tests.e2e.device import Device, wait_until
from tests.e2e.http import Http


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def send(http: Http, *users: str, **options) -> str:
    answer = http.post("/v1/notifications", {"to": {"users": list(users)}, "event": "e", **options})
    assert answer.status == 202, answer
    return answer.body["id"]


def states(http: Http, id: str) -> dict[str, tuple[str, str | None]]:
    items = http.get(f"/v1/notifications/{id}/deliveries").body["items"]
    return {item["user"]: (item["state"], item["reason"]) for item in items}


def status(http: Http, id: str) -> str:
    return http.get(f"/v1/notifications/{id}").body["status"]


def test_what_is_sent_later_comes_then_and_not_before(bellhop: System, http: Http):
    at = in_seconds(4)
    with Device(bellhop, "late") as late:
        id = send(http, "late", send_at=at.isoformat(), data={"n": 1})
        now = send(http, "late")
        late.sees(now)
        wait_until(lambda: status(http, id) == "scheduled", 3, "it waits")
        assert late.ids() == [now]
        late.sees(id, seconds=15)
        came = datetime.now(UTC)
    assert came >= at
    assert late.ids() == [now, id]
    frame = late.shown[-1]
    assert frame["data"] == {"n": 1}
    assert datetime.fromisoformat(frame["sent_at"]) - at.replace(microsecond=0) < timedelta(seconds=1)
    wait_until(lambda: states(http, id) == {"late": ("delivered", None)}, 10, "it is acknowledged")


def test_to_everyone_and_to_a_topic_it_goes_to_whoever_is_there_then(bellhop: System, http: Http):
    at = in_seconds(3).isoformat()
    everyone = http.post("/v1/notifications", {"to": {"everyone": True}, "event": "e", "send_at": at}).body[
        "id"
    ]
    topic = http.post("/v1/notifications", {"to": {"topics": ["t/1"]}, "event": "e", "send_at": at}).body[
        "id"
    ]
    assert http.call("PUT", "/v1/topics/t%2F1/subscribers/subscribed-later").status == 204

    with Device(bellhop, "subscribed-later") as device:
        device.sees(everyone, topic)


def test_each_gets_it_when_it_is_time_where_they_live(bellhop: System, http: Http):
    for name, zone in (("in-tokyo", "Asia/Tokyo"), ("in-new-york", "America/New_York")):
        assert http.call("PUT", f"/v1/users/{name}", {"timezone": zone}).status in (200, 201)
    soon = in_seconds(4).astimezone(ZoneInfo("Asia/Tokyo")).replace(microsecond=0, tzinfo=None)
    with Device(bellhop, "in-tokyo") as tokyo, Device(bellhop, "in-new-york") as new_york:
        id = send(http, "in-tokyo", "in-new-york", send_at=soon.isoformat(), send_at_zone="recipient")
        tokyo.sees(id, seconds=20)
        assert id not in new_york.ids()
        wait_until(lambda: states(http, id)["in-tokyo"] == ("delivered", "local_time"), 10, "acknowledged")
        assert states(http, id)["in-new-york"] == ("held", "local_time")
        # It is not behind what comes meanwhile.
        other = send(http, "in-new-york")
        new_york.sees(other)
        new_york.shows_each_once_in_order()


def test_the_newer_takes_the_place_of_the_unread_older(bellhop: System, http: Http):
    older = send(http, "busy", collapse_key="build-7", data={"progress": 10})
    with Device(bellhop, "busy") as busy:
        busy.sees(older)
        newer = send(http, "busy", collapse_key="build-7", data={"progress": 90})
        busy.sees(newer)
        assert busy.shown[-1]["replaces"] == older
        inbox = Http(bellhop.url("api"), bellhop.token("busy")).get("/v1/inbox").body["items"]
        assert [item["id"] for item in inbox if item["stream"] == "me"] == [newer]
    with Device(bellhop, "busy-elsewhere") as other:
        away = send(http, "busy-elsewhere", "sleeper", collapse_key="k")
        other.sees(away)
    last = send(http, "sleeper", collapse_key="k")
    with Device(bellhop, "sleeper") as sleeper:
        sleeper.sees(last)
        assert away not in sleeper.ids()
    assert states(http, away)["sleeper"] == ("cancelled", "replaced")
