"""A schedule through the real processes: beat ticks, a worker fires, a device shows it each second until it pauses."""

from datetime import datetime

from launcher.system import System
from tests.e2e.device import Device, wait_until
from tests.e2e.http import Http

PATH = "/v1/schedules"


def make(http: Http, user: str, **fields: object) -> str:
    notification = {"to": {"users": [user]}, "event": "tick", "data": {"of": "schedule"}}
    answer = http.post(PATH, {"notification": notification, **fields})
    assert answer.status == 201, answer
    return str(answer.body["id"])


def sent(http: Http, id: str) -> list[str]:
    """The notifications of its runs, the oldest first."""
    runs = http.get(f"{PATH}/{id}/runs?limit=1000").body["items"]
    return [run["notification"] for run in reversed(runs)]


def test_one_of_each_second_arrives_each_second_until_it_is_paused(bellhop: System, http: Http):
    with Device(bellhop, "every-second") as ana:
        id = make(http, "every-second", every=1, catch_up="all")
        wait_until(lambda: len(ana.ids()) >= 4, 20, "four have arrived")
        assert http.post(f"{PATH}/{id}/pause", {}).body["state"] == "paused"
        wait_until(lambda: None not in _accepted(http, id), 10, "what was due is on its way")
        ana.sees(*sent(http, id))

        runs = http.get(f"{PATH}/{id}/runs?limit=1000").body["items"]
        instants = [datetime.fromisoformat(run["fire_at"]).timestamp() for run in reversed(runs)]
        assert instants == [instants[0] + n for n in range(len(instants))]
        assert {run["reason"] for run in runs} == {"due"}
        # What comes after it has arrived, so a further one would have been seen.
        later = http.notify("every-second")
        ana.sees(later)
        assert ana.ids() == [*sent(http, id), later]
        ana.shows_each_once_in_order()
        assert ana.shown[0]["event"] == "tick"
        assert ana.shown[0]["data"] == {"of": "schedule"}
        followed = http.get(f"/v1/notifications/{ana.ids()[0]}").body
        assert followed["sender"] == f"schedule:{id}"


def _accepted(http: Http, id: str) -> list[str | None]:
    return [run["accepted_at"] for run in http.get(f"{PATH}/{id}/runs?limit=1000").body["items"]]


def test_a_run_now_arrives_once_while_it_is_paused(bellhop: System, http: Http):
    with Device(bellhop, "run-now", nodes=[1]) as bob:
        id = make(http, "run-now", cron="0 0 1 1 *", timezone="Europe/Berlin")
        http.post(f"{PATH}/{id}/pause", {})
        answers = [http.post(f"{PATH}/{id}/run-now", {}, idempotency_key="now") for _ in range(3)]
        assert {answer.status for answer in answers} == {202}
        [run] = {answer.body["notification"] for answer in answers}
        bob.sees(run)
        last = http.notify("run-now")
        bob.sees(last)
        assert bob.ids() == [run, last]


def test_one_that_is_removed_sends_no_more(bellhop: System, http: Http):
    with Device(bellhop, "removed") as cy:
        id = make(http, "removed", every=1)
        wait_until(lambda: len(cy.ids()) >= 2, 20, "two have arrived")
        assert http.call("DELETE", f"{PATH}/{id}").status == 204
        assert http.get(f"{PATH}/{id}").status == 404
        # A tick that was under way may still bring what was due before: one more second, then none.
        other = make(http, "removed", every=1)
        wait_until(lambda: len(sent(http, other)) >= 3, 20, "another one has fired three times")
        cy.sees(*sent(http, other)[:3])
        senders = [http.get(f"/v1/notifications/{one}").body["sender"] for one in cy.ids()[-2:]]
        assert senders == [f"schedule:{other}"] * 2
