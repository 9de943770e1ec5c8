"""RabbitMQ as the broker, by URL: the path is the same, Redis keeps journal, tails and channels."""

import secrets
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from launcher.system import Ports, System
from tests.e2e.device import Device
from tests.e2e.http import Http
from tests.fixtures.absent import absent

AMQP = "amqp://guest:guest@127.0.0.1:5672"


@pytest.fixture
def broker() -> Iterator[str]:
    """The URL of a virtual host of the test's own."""
    if shutil.which("rabbitmqctl") is None:
        absent("rabbitmqctl is not installed")
    vhost = f"bellhop_test_{secrets.token_hex(4)}"
    if _ctl("add_vhost", vhost).returncode != 0:
        absent("RabbitMQ does not run, or rabbitmqctl may not be used")
    _ctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
    yield f"{AMQP}/{vhost}"
    _ctl("delete_vhost", vhost)


def _ctl(*words: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["rabbitmqctl", "-q", *words], capture_output=True, timeout=30, check=False)


@pytest.mark.timeout(150)
def test_a_notification_travels_over_rabbitmq(broker: str, tmp_path):
    env = {"BROKER_URL": broker}
    with System(tmp_path / "bellhop", ports=Ports.free(), env=env) as system:
        http = Http(system.url("api"), system.api_key)
        with Device(system, "ana") as ana, Device(system, "bob", nodes=[1]) as bob:
            sent = http.notify("ana", "bob")
            everyone = http.tell_everyone()
            for device in (ana, bob):
                device.sees(sent, everyone)
                device.shows_each_once_in_order()
        system.kill("worker")
        later = http.notify("ana")
        with Device(system, "ana", storage=ana.storage) as again:
            again.sees(later, seconds=60)
        assert again.ids() == [later]
