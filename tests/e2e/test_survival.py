"""Processes are killed in the middle of 500 notifications: nothing is lost, nothing is shown twice."""

import threading
import time
from collections.abc import Callable

import pytest

from launcher.system import Ports, System
from tests.e2e.device import Device
from tests.e2e.http import Http

NOTIFICATIONS = 500
USERS = [f"survivor-{n}" for n in range(5)]


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request, make_database, tmp_path):
    """A Bellhop of the test's own: it is going to be hurt."""
    env = {"BELLHOP_LOG_FORMAT": "json"}
    if request.param != "sqlite":
        env["DATABASE_URL"] = make_database(request.param)
    with System(tmp_path / "bellhop", ports=Ports.free(), env=env) as system:
        yield system


class Sender:
    """Posts until so many were accepted; a 503 or a cut connection is repeated with the same key."""

    def __init__(self, http: Http, users: list[str], count: int) -> None:
        self.accepted: dict[str, list[str]] = {user: [] for user in users}
        self._http, self._users, self._count = http, users, count
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def done(self) -> int:
        return sum(len(ids) for ids in self.accepted.values())

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"only {self.done()} of {self._count} were accepted"

    def _run(self) -> None:
        for n in range(self._count):
            user = self._users[n % len(self._users)]
            while (sent := self._post(user, f"key-{n}")) is None:
                time.sleep(0.05)  # the caller's own back-off, bounded by the deadline of join()
            self.accepted[user].append(sent)

    def _post(self, user: str, key: str) -> str | None:
        body = {"to": {"users": [user]}, "event": "test.note"}
        try:
            answer = self._http.post("/v1/notifications", body, idempotency_key=key)
        except OSError:
            return None
        assert answer.status in (202, 503), answer
        return answer.body["id"] if answer.status == 202 else None


def kill_pool_child(system: System) -> None:
    import os
    import signal

    for pid in system.children("worker"):
        os.kill(pid, signal.SIGKILL)


def kill_worker(system: System) -> None:
    system.kill("worker")


def kill_node(system: System) -> None:
    system.kill("node", 1)


def restart_redis(system: System) -> None:
    system.kill("redis")


HARM = [kill_pool_child, kill_worker, kill_node, restart_redis]


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
@pytest.mark.timeout(150)
def test_500_notifications_survive(fresh: System, harm: Callable[[System], None]):
    http = Http(fresh.url("api"), fresh.api_key)
    devices = [Device(fresh, user, nodes=(1, 0)) for user in USERS]
    for device in devices:
        device.client.start()
    for device in devices:
        device.online()

    sender = Sender(http, USERS, NOTIFICATIONS)
    for share in (0.2, 0.5, 0.8):
        while sender.done() < NOTIFICATIONS * share:
            time.sleep(0.01)
        harm(fresh)
    sender.join(60)

    for device in devices:
        device.sees(*sender.accepted[device.user], seconds=75)
        device.shows_each_once_in_order()
        assert set(device.ids()) == set(sender.accepted[device.user])
        assert not device.lost
        device.client.stop()
    fresh.ready(30)
    with Device(fresh, "afterwards") as device:
        device.sees(http.notify("afterwards"))
