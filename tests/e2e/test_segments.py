"""From what is known of users to what devices show: who is in a segment gets it, never who is out of it."""

from contextlib import ExitStack

from launcher.system import System
from tests.e2e.device import Device, wait_until
from tests.e2e.http import Http


def know(http: Http, user: str, **values: object) -> None:
    answer = http.call("PUT", f"/v1/users/{user}", values)
    assert answer.status in (200, 201), answer


def test_a_segment_reaches_who_is_in_it_and_nobody_else(bellhop: System, http: Http):
    paid = {"attribute": "plan", "is": "paid"}
    rule = {"all": [paid, {"any": [{"attribute": "age", "gte": 18}, {"locale": {"is": "pt"}}]}]}
    assert http.call("PUT", "/v1/segments/e2e-adults", {"rule": rule}).status == 201
    quiet = {"rule": {"attribute": "quiet", "is": True}}
    assert http.call("PUT", "/v1/segments/e2e-quiet", quiet).status == 201
    know(http, "seg-by-age", attributes={"plan": "paid", "age": 30})
    know(http, "seg-by-locale", attributes={"plan": "paid"}, locale="pt-BR")
    know(http, "seg-quiet", attributes={"plan": "paid", "age": 40, "quiet": True})
    know(http, "seg-actor", attributes={"plan": "paid", "age": 50})
    know(http, "seg-young", attributes={"plan": "paid", "age": 17})
    insiders = ("seg-by-age", "seg-by-locale")
    outsiders = ("seg-quiet", "seg-actor", "seg-young")
    to = {
        "segments": ["e2e-adults"],
        "exclude": {"segments": ["e2e-quiet"]},
        "exclude_actor": "seg-actor",
    }
    with ExitStack() as stack:
        devices = {
            name: stack.enter_context(Device(bellhop, name, nodes=[number % 2]))
            for number, name in enumerate((*insiders, *outsiders))
        }
        answer = http.post("/v1/notifications", {"to": to, "event": "offer", "data": {"n": 7}})
        assert answer.status == 202, answer
        sent = answer.body["id"]
        for name in insiders:
            devices[name].sees(sent)
        assert devices["seg-by-locale"].shown[0]["data"] == {"n": 7}

        # What comes after it has arrived, so it would have been seen.
        later = http.notify(*devices)
        for device in devices.values():
            device.sees(later)
            device.shows_each_once_in_order()
        assert [devices[name].ids() for name in insiders] == [[sent, later]] * 2
        assert [devices[name].ids() for name in outsiders] == [[later]] * 3

    wait_until(
        lambda: http.get(f"/v1/notifications/{sent}").body["counts"] == {"delivered": 2}, 10, "both delivered"
    )
    assert http.get(f"/v1/notifications/{sent}").body["recipients"] == 2


def test_who_becomes_known_later_gets_what_comes_later(bellhop: System, http: Http):
    rule = {"attribute": "team", "is": "e2e-later"}
    assert http.call("PUT", "/v1/segments/e2e-later", {"rule": rule}).status == 201
    to = {"segments": ["e2e-later"]}
    with Device(bellhop, "seg-late") as device:
        before = http.post("/v1/notifications", {"to": to, "event": "e"}).body["id"]
        wait_until(
            lambda: http.get(f"/v1/notifications/{before}").body["recipients"] == 0, 15, "stored for nobody"
        )
        know(http, "seg-late", attributes={"team": "e2e-later"})
        after = http.post("/v1/notifications", {"to": to, "event": "e"}).body["id"]
        device.sees(after)

    assert device.ids() == [after]
