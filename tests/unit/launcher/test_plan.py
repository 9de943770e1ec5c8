"""Which processes run, on which ports."""

import pytest

from launcher.plan import Process, port_problems, processes, restart_delay
from shared.config import load

COMMANDS = dict.fromkeys(["api", "node", "worker", "worker_bulk", "beat", "flower"], "run")


def planned(**environ: str) -> list[Process]:
    return processes(load(environ), COMMANDS)


def test_each_process_gets_its_port_and_nodes_the_ports_after_the_first():
    found = {process.label: process.port for process in planned(BELLHOP_NODES="3")}
    assert found == {
        "api": 8000,
        "node.0": 8001,
        "node.1": 8002,
        "node.2": 8003,
        "worker": 8101,
        "worker_bulk": 8102,
        "beat": None,
        "flower": 5555,
    }


def test_settings_move_the_ports():
    found = {
        process.label: process.port for process in planned(BELLHOP_NODE_PORT="9", BELLHOP_WORKER_PORT="20")
    }
    assert (found["node.1"], found["worker_bulk"]) == (10, 21)


def test_flower_stays_on_the_loopback_address():
    hosts = {process.name: process.host for process in planned(BELLHOP_BIND="0.0.0.0")}
    assert (hosts["flower"], hosts["api"]) == ("127.0.0.1", "0.0.0.0")


def test_flower_is_asked_below_its_prefix():
    probes = [
        process.probe
        for prefix in ("", "flower")
        for process in planned(BELLHOP_FLOWER_URL_PREFIX=prefix)
        if process.name == "flower"
    ]
    assert probes == ["/healthcheck", "/flower/healthcheck"]


def test_api_shares_metrics_only_when_it_has_several_processes():
    def sharing(workers: str) -> set[str]:
        return {process.name for process in planned(BELLHOP_API_WORKERS=workers) if process.shares_metrics}

    assert sharing("1") == {"worker", "worker_bulk"}
    assert sharing("2") == {"api", "worker", "worker_bulk"}


def test_taken_ports_are_named_with_their_setting():
    told = list(port_problems(planned(), lambda port, _: port not in (8002, 5555)))
    assert told == [
        "port 8002 for node.1 (BELLHOP_NODE_PORT) is taken",
        "port 5555 for flower (BELLHOP_FLOWER_PORT) is taken",
    ]


def test_a_port_wanted_twice_is_told_for_both():
    told = list(port_problems(planned(BELLHOP_API_PORT="8001"), lambda *_: True))
    assert [text.split(" is ")[1] for text in told] == ["wanted by more than one process"] * 2


@pytest.mark.parametrize(("deaths", "seconds"), [(1, 0.25), (2, 0.5), (3, 1), (7, 15), (100, 15)])
def test_restarts_back_off_up_to_a_bound(deaths: int, seconds: float):
    assert restart_delay(deaths) == seconds
