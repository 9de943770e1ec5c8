"""Limits through the whole of it: quotas that workers charge, caps that skip and hold, and what devices then show."""

from collections.abc import Iterator

import pytest

from launcher.system import Ports, System
from tests.e2e.device import Device, wait_until
from tests.e2e.http import Http
from tests.fixtures.databases import MakeDatabase


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def bellhop(
    request: pytest.FixtureRequest, make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A Bellhop in which a sender may reach 40 people a day."""
    env = {"BELLHOP_LOG_FORMAT": "json", "BELLHOP_QUOTA_KEY": "40/1d"}
    if request.param != "sqlite":
        env["DATABASE_URL"] = make_database(request.param)
    with System(tmp_path_factory.mktemp("bellhop"), ports=Ports.free(), env=env) as system:
        yield system


def left(answer) -> int:
    state = {name.lower(): value for name, value in answer.headers.items()}["ratelimit"]
    return int(state.partition('"key-quota";r=')[2].partition(";")[0])


def states(http: Http, id: str) -> dict[str, str | None]:
    found = http.get(f"/v1/notifications/{id}/deliveries")
    return (
        {one["user"]: one["reason"] or one["state"] for one in found.body["items"]}
        if found.status == 200
        else {}
    )


def test_caps_skip_hold_and_release_and_what_is_critical_passes(bellhop: System, http: Http):
    for id, action, per in (("once", "drop", 3600), ("slowly", "hold", 8)):
        cap = {"event": f"cap.{action}", "limit": 1, "per": per, "action": action}
        assert http.call("PUT", f"/v1/caps/{id}", cap).status == 201
    with Device(bellhop, "ana") as ana:
        first = http.notify("ana", event="cap.drop")
        ana.sees(first)
        second = http.notify("ana", event="cap.drop")
        wait_until(lambda: states(http, second) == {"ana": "frequency_cap:once"}, 10, "skipped")
        urgent = http.notify("ana", event="cap.drop", priority="critical")
        ana.sees(urgent)

        shown = http.notify("ana", event="cap.hold")
        ana.sees(shown)
        held = http.notify("ana", event="cap.hold")
        wait_until(lambda: "frequency_cap:slowly" in states(http, held).values(), 10, "held")
        assert held not in ana.ids()
        ana.sees(held, seconds=30)

        assert ana.ids() == [first, urgent, shown, held]
        ana.shows_each_once_in_order()


def test_a_worker_charges_for_whom_a_topic_reached(bellhop: System, http: Http):
    crowd = {"users": [f"u{number}" for number in range(12)]}
    assert http.post("/v1/topics/crowd/subscribers", crowd).body == {"added": 12}
    answer = http.post("/v1/notifications", {"to": {"topics": ["crowd"]}, "event": "e"})
    before = left(answer)
    wait_until(
        lambda: http.get(f"/v1/notifications/{answer.body['id']}").body["recipients"] == 12, 10, "stored"
    )

    def charged() -> bool:
        return left(http.post("/v1/notifications", {"to": {"users": ["zoe"]}, "event": "e"})) <= before - 11

    wait_until(charged, 10, "charged")
    refused = http.post(
        "/v1/notifications", {"to": {"users": [f"v{number}" for number in range(30)]}, "event": "e"}
    )
    assert (refused.status, refused.body["error"]["detail"]) == (429, {"limit": "key-quota"})
