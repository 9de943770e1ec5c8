"""From one POST to every open socket of every addressed user, and to who comes later."""

import json

import pytest

from launcher.system import System
from tests.e2e.device import Device, wait_until
from tests.e2e.http import Http


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A prefix for users of this test only."""
    return request.node.originalname.removeprefix("test_")[:40]


def test_three_users_on_two_nodes_get_one_post(bellhop: System, http: Http, name: str):
    users = [f"{name}-{n}" for n in range(3)]
    with (
        Device(bellhop, users[0], nodes=[0]) as ana,
        Device(bellhop, users[1], nodes=[1]) as bob,
        Device(bellhop, users[2], nodes=[1]) as cy,
        Device(bellhop, f"{name}-other", nodes=[0]) as other,
    ):
        sent = http.notify(*users, event="order.paid", data={"message": "héllo", "n": [1, None]})
        for device in (ana, bob, cy):
            device.sees(sent)

        assert ana.shown[0]["event"] == "order.paid"
        assert ana.shown[0]["data"] == {"message": "héllo", "n": [1, None]}
        assert (ana.shown[0]["seq"], ana.shown[0]["prev"]) == (1, 0)
        later = http.notify(f"{name}-other")
        other.sees(later)
        assert other.ids() == [later]


def test_acknowledged_deliveries_are_told_as_delivered(bellhop: System, http: Http, name: str):
    with Device(bellhop, f"{name}-here") as here:
        sent = http.notify(f"{name}-here", f"{name}-away")
        here.sees(sent)
        wait_until(
            lambda: http.get(f"/v1/notifications/{sent}").body["counts"].get("delivered") == 1,
            10,
            "one delivery is delivered",
        )

    deliveries = http.get(f"/v1/notifications/{sent}/deliveries").body["items"]
    assert {d["user"]: d["state"] for d in deliveries} == {
        f"{name}-here": "delivered",
        f"{name}-away": "sent",
    }
    hops = [hop["hop"] for hop in http.get(f"/v1/notifications/{sent}").body["timeline"]]
    assert hops[:4] == ["accepted", "stored", "published", "delivered_first"]


def test_an_absent_user_gets_it_on_return_in_order(bellhop: System, http: Http, name: str):
    sent = [http.notify(name, data={"n": n}) for n in range(5)]

    with Device(bellhop, name) as device:
        device.sees(*sent)

    assert [frame["seq"] for frame in device.shown] == [1, 2, 3, 4, 5]
    device.shows_each_once_in_order()


def test_what_one_device_acknowledged_is_not_new_to_a_device_without_a_position(
    bellhop: System, http: Http, name: str
):
    with Device(bellhop, name) as first:
        old = http.notify(name)
        first.sees(old)
    wait_until(
        lambda: http.get(f"/v1/notifications/{old}").body["counts"].get("delivered") == 1, 10, "delivered"
    )

    new = http.notify(name)
    with Device(bellhop, name) as second:
        second.sees(new)

    assert second.ids() == [new]


def test_two_devices_on_different_nodes_get_all_and_share_their_read_state(
    bellhop: System, http: Http, name: str
):
    with Device(bellhop, name, nodes=[0]) as phone, Device(bellhop, name, nodes=[1]) as laptop:
        sent = [http.notify(name) for _ in range(3)]
        phone.sees(*sent)
        laptop.sees(*sent)

        reply = phone.client.read([sent[0]]).result()
        assert reply["changed"] == 1
        wait_until(lambda: any(sent[0] in s["ids"] for s in laptop.states), 5, "the laptop hears of it")

        inbox = Http(bellhop.url("api"), bellhop.token(name))
        assert inbox.get("/v1/inbox/counts").body["unread"] == 2
        archived = inbox.post("/v1/inbox/archive", {"ids": [sent[1]]})
        assert archived.body["changed"] == 1
        for device in (phone, laptop):
            wait_until(
                lambda device=device: any(sent[1] in s["ids"] for s in device.states),
                5,
                f"a device hears of the archive ({device.client.status})",
            )
        assert [i["id"] for i in inbox.get("/v1/inbox?state=unread").body["items"]] == [sent[2]]


@pytest.mark.parametrize("missed", [20, 250], ids=["within the tail", "beyond the tail"])
def test_a_device_that_was_cut_off_resumes_without_hole_or_repeat(
    bellhop: System, http: Http, name: str, missed: int
):
    user = f"{name}-{missed}"
    with Device(bellhop, user) as device:
        before = [http.notify(user) for _ in range(3)]
        device.sees(*before)
    body = {"notifications": [{"to": {"users": [user]}, "event": "test.note"} for _ in range(missed)]}
    answer = http.post("/v1/notifications/batch", body)
    meanwhile = [item["id"] for item in answer.body["items"]]

    with Device(bellhop, user, nodes=[1], storage=device.storage) as again:
        again.sees(*meanwhile)
        after = http.notify(user)
        again.sees(after)

    assert len(again.ids()) == missed + 1
    again.shows_each_once_in_order()
    assert not again.lost


def test_everyone_but_the_excluded_gets_a_broadcast_also_who_is_away_or_new(
    bellhop: System, http: Http, name: str
):
    with (
        Device(bellhop, f"{name}-here", nodes=[0]) as here,
        Device(bellhop, f"{name}-out", nodes=[1]) as left_out,
    ):
        http.notify(f"{name}-away")
        sent = http.tell_everyone(exclude=(f"{name}-out",), data={"n": 1})
        here.sees(sent)
        second = http.tell_everyone()
        left_out.sees(second)
        assert sent not in left_out.ids()

    for user in ("away", "new"):
        with Device(bellhop, f"{name}-{user}") as device:
            device.sees(sent, second)
            device.shows_each_once_in_order()
    with Device(bellhop, f"{name}-out") as device:
        device.sees(http.notify(f"{name}-out"))
    assert sent not in device.ids()


def test_a_request_id_is_found_in_the_logs_of_api_worker_and_node(bellhop: System, http: Http, name: str):
    with Device(bellhop, name, nodes=[1]) as device:
        body = {"to": {"users": [name]}, "event": "test.note"}
        answer = http.post("/v1/notifications", body, x_request_id=f"trace-{name}"[:64])
        device.sees(answer.body["id"])

    request_id = answer.headers["x-request-id"]
    assert request_id == f"trace-{name}"[:64]
    for process, index in (("api", 0), ("worker", 0), ("node", 1)):
        wait_until(
            lambda process=process, index=index: request_id in bellhop.log(process, index),
            5,
            f"{process} {index} logs the request id",
        )
        lines = [line for line in bellhop.log(process, index).splitlines() if request_id in line]
        assert all(json.loads(line) for line in lines)


def test_the_same_key_posted_again_is_one_notification(bellhop: System, http: Http, name: str):
    body = {"to": {"users": [name]}, "event": "test.note"}
    first = http.post("/v1/notifications", body, idempotency_key=name)
    again = http.post("/v1/notifications", body, idempotency_key=name)
    assert (first.status, again.status) == (202, 202)
    assert first.body == again.body
    assert again.headers["idempotent-replayed"] == "true"

    with Device(bellhop, name) as device:
        device.sees(first.body["id"])
        later = http.notify(name)
        device.sees(later)
    assert [frame["id"] for frame in device.shown if frame["stream"] == "me"] == [first.body["id"], later]


def test_flower_lists_the_jobs_of_both_workers(bellhop: System, http: Http, name: str):
    http.notify(name)
    http.notify(name, priority="bulk")
    flower = Http(bellhop.url("flower"), "")
    basic = flower_password(bellhop)

    def jobs() -> set[tuple[str, str]]:
        tasks = flower.get("/api/tasks?limit=500", authorization=basic).body
        return {(task["name"], task["worker"].split("@")[0]) for task in tasks.values() if task["worker"]}

    wait_until(
        lambda: {("bellhop.deliver", "worker"), ("bellhop.deliver", "worker_bulk")} <= jobs(),
        20,
        "Flower lists a deliver job of each worker",
    )
    assert flower.get("/api/tasks").status == 401


def flower_password(bellhop: System) -> str:
    """The Authorization header that opens this Flower."""
    import base64

    settings = bellhop.settings
    pair = f"{settings.flower_user}:{settings.flower_password.get_secret_value()}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
