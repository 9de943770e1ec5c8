"""A sender changes its mind: open clients drop it, who was away never sees it, a big audience gets no more of it."""

import time
from typing import Any

from launcher.system import System
from tests.e2e.device import Device, wait_until
from tests.e2e.http import Http


def cancel(http: Http, id: str, body: Any = None) -> tuple[int, int]:
    answer = http.post(f"/v1/notifications/{id}/cancel", body or {})
    assert answer.status == 200, answer
    return answer.body["cancelled"], answer.body["already_sent"]


def retracts(device: Device) -> list[dict[str, Any]]:
    """What the device is told to drop, from now on."""
    found: list[dict[str, Any]] = []
    device.client.on("retract", found.append)
    return found


def counts(bellhop: System, user: str) -> dict[str, int]:
    return dict(Http(bellhop.url("api"), bellhop.token(user)).get("/v1/inbox/counts").body)


def own(bellhop: System, user: str) -> int:
    """How many a user has besides what went to everyone."""
    return counts(bellhop, user)["total"] - counts(bellhop, "stranger")["total"]


def published(http: Http, id: str) -> None:
    wait_until(
        lambda: "published" in [hop["hop"] for hop in http.get(f"/v1/notifications/{id}").body["timeline"]],
        15,
        "it is published",
    )


def test_open_clients_drop_it_and_who_comes_back_gets_a_position(bellhop: System, http: Http):
    first = http.notify("ana", "away")
    with Device(bellhop, "away") as away:
        away.sees(first)
    with Device(bellhop, "ana", nodes=[0]) as ana, Device(bellhop, "ana", nodes=[1]) as second:
        told, told_second = retracts(ana), retracts(second)
        wrong, right = http.notify("ana", "away"), http.notify("ana", "away")
        for device in (ana, second):
            device.sees(first, wrong, right)
        published(http, wrong)

        assert cancel(http, wrong) == (0, 2)
        assert cancel(http, wrong) == (0, 0)

        wait_until(lambda: told and told_second, 10, "both devices are told")
        assert told == told_second
        numbers = counts(bellhop, "ana")
        assert told[0] | {"rev": 0} == {
            "type": "retract", "ids": [wrong], "reason": "cancelled", "counts": numbers, "rev": 0,
        }  # fmt: skip
        assert own(bellhop, "ana") == 2
    with Device(bellhop, "away", storage=away.storage) as away:
        away.sees(right)
        assert away.ids() == [right]
        assert away.lost == []
        wait_until(lambda: away.client.position["me"] == 3, 10, "the position is past it")
    assert http.get(f"/v1/notifications/{wrong}").body["counts"] == {"cancelled": 2}


def test_of_everyone_all_drop_it_and_numbers_follow(bellhop: System, http: Http):
    with Device(bellhop, "all-a", nodes=[0]) as one, Device(bellhop, "all-b", nodes=[1]) as other:
        told = [retracts(one), retracts(other)]
        id = http.tell_everyone()
        one.sees(id), other.sees(id)
        published(http, id)
        before = counts(bellhop, "all-a")["total"]

        assert cancel(http, id) == (0, 1)

        wait_until(lambda: all(told), 10, "both are told")
        assert told[0] == [
            {"type": "retract", "ids": [id], "reason": "cancelled", "counts": None, "rev": None}
        ]
        assert counts(bellhop, "all-a")["total"] == before - 1
        later = http.tell_everyone()
        one.sees(later), other.sees(later)
        one.shows_each_once_in_order()
    with Device(bellhop, "all-new") as new:
        new.sees(later)
        assert id not in new.ids()


def test_by_key_before_it_is_stored_nobody_gets_it(bellhop: System, http: Http):
    with Device(bellhop, "keyed") as device:
        told = retracts(device)
        ids = [http.notify("keyed", cancel_key="offer-1") for _ in range(5)]
        assert http.post("/v1/notifications/cancel", {"cancel_key": "offer-1"}).status == 200
        later = http.notify("keyed", cancel_key="offer-1")
        device.sees(later)
        # Those that were quicker than the cancellation are taken back.
        wait_until(
            lambda: set(device.ids()) & set(ids) <= {id for frame in told for id in frame["ids"]},
            10,
            "what was shown is taken back",
        )
        wait_until(
            lambda: all(http.get(f"/v1/notifications/{id}").body["status"] == "cancelled" for id in ids),
            10,
            "all five are cancelled",
        )
        assert http.get(f"/v1/notifications/{later}").body["status"] in ("sent", "completed")
    assert own(bellhop, "keyed") == 1


def test_a_big_audience_that_is_being_sent_gets_no_more_of_it(bellhop: System, http: Http):
    names = [f"crowd-{number}" for number in range(10_000)]
    watching = names[::1000]
    devices = [Device(bellhop, name, nodes=[number % 2]) for number, name in enumerate(watching)]
    told = [retracts(device) for device in devices]
    for device in devices:
        device.__enter__()
    try:
        id = http.notify(*names)
        deadline = time.monotonic() + 20
        while http.get(f"/v1/notifications/{id}").body["status"] == "accepted":
            assert time.monotonic() < deadline
        cancelled, already = cancel(http, id)

        assert cancelled + already == 10_000
        wait_until(
            lambda: http.get(f"/v1/notifications/{id}").body["counts"] == {"cancelled": 10_000},
            40,
            "everybody's is taken back",
        )
        after = http.notify(*watching)
        for device, words in zip(devices, told, strict=True):
            device.sees(after)
            if id in device.ids():
                wait_until(lambda: words, 15, f"{device.user} is told to drop it")  # noqa: B023
            device.shows_each_once_in_order()
        assert [own(bellhop, name) for name in watching] == [1] * len(watching)
    finally:
        for device in devices:
            device.__exit__()
