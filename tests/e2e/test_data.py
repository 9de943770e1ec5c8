"""Starting again finds the same data, and what was accepted while nobody worked."""

from launcher.system import Ports, System
from tests.e2e.device import Device
from tests.e2e.http import Http


def test_a_second_start_finds_the_same_users_positions_and_key(tmp_path):
    folder, ports = tmp_path / "bellhop", Ports.free()
    with System(folder, ports=ports) as first:
        http = Http(first.url("api"), first.api_key)
        with Device(first, "ana") as ana:
            early = http.notify("ana")
            ana.sees(early)
        first.hold("worker")
        waiting = http.notify("ana")
        key = first.api_key

    with System(folder, ports=ports) as second:
        assert second.api_key == key
        http = Http(second.url("api"), second.api_key)
        assert http.get(f"/v1/notifications/{early}").status == 200
        with Device(second, "ana", storage=ana.storage) as again:
            again.sees(waiting, seconds=40)
            later = http.notify("ana")
            again.sees(later)
        assert again.ids() == [waiting, later]
        assert [frame["seq"] for frame in again.shown] == [2, 3]
