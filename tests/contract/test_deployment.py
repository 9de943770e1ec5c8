"""The Dockerfile and the compose file: what can be held without an engine to build and run them.

Nothing here replaces building the image; it keeps both files in step with the Procfile and the settings.
"""

import re
from typing import Any

import pytest
import yaml

from api import documents
from launcher.procfile import parse
from shared.config import ConfigError, load
from tests.architecture.sources import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = {name: service for name, service in COMPOSE["services"].items() if service.get("image") == "bellhop"}
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::(?P<kind>[?-])(?P<rest>[^}]*))?\}")
SECRETS = {
    "BELLHOP_JWT_SECRETS": "k1:Zx8-qf2LkP0vRt5Wm9Yc3Bn7Hj1Gd4Sa6Ue",
    "BELLHOP_FLOWER_PASSWORD": "wq3-Tz7-pL9-xB2",
    "POSTGRES_PASSWORD": "pgpass",
    "REDIS_PASSWORD": "redispass",
}


def fill_in(text: str, values: dict[str, str]) -> str:
    """Replace ${NAME:?message} and ${NAME:-default} as compose does."""

    def value(match: re.Match[str]) -> str:
        if values.get(match["name"]):
            return values[match["name"]]
        if match["kind"] == "-":
            return match["rest"]
        raise LookupError(match["name"])

    return VARIABLE.sub(value, text)


def environment(service: dict[str, Any], values: dict[str, str]) -> dict[str, str]:
    image = dict(re.findall(r"^\s+(?:ENV )?(BELLHOP_\w+)=(\S+)", DOCKERFILE, re.M))
    return {**image, **{name: fill_in(str(text), values) for name, text in service["environment"].items()}}


def test_every_process_of_the_procfile_has_a_service():
    run = {service["command"][0] for service in OURS.values() if service.get("command")}
    assert run == set(parse((ROOT / "Procfile").read_text()))
    assert DOCKERFILE.count('ENTRYPOINT ["python", "-m", "launcher", "exec"]') == 1


def test_there_are_two_nodes_on_ports_of_their_own():
    nodes = [service for service in OURS.values() if service.get("command") == ["node"]]
    assert len({node["ports"][0] for node in nodes}) == len(nodes) == 2


@pytest.mark.parametrize("name", OURS)
def test_each_service_starts_with_production_settings(name: str):
    settings = load(environment(OURS[name], SECRETS))
    assert settings.profile == "production"
    assert settings.database_url == "postgresql+psycopg://bellhop:pgpass@postgres:5432/bellhop"
    assert settings.redis_url == settings.broker_url == "redis://:redispass@valkey:6379/0"


@pytest.mark.parametrize("secret", SECRETS)
def test_a_missing_secret_is_refused_by_compose(secret: str):
    text = (ROOT / "docker-compose.yml").read_text()
    with pytest.raises(LookupError, match=secret):
        fill_in(text, {**SECRETS, secret: ""})


def test_a_weak_secret_is_refused_by_the_programs():
    with pytest.raises(ConfigError):
        load(environment(OURS["api"], {**SECRETS, "BELLHOP_JWT_SECRETS": "k1:short"}))


def test_health_checks_ask_the_ports_the_processes_take():
    defaults = load({})
    asked = {
        name: service["healthcheck"]["test"][4] for name, service in OURS.items() if "healthcheck" in service
    }
    assert asked == {
        "api": str(defaults.api_port),
        "node1": str(defaults.node_port),
        "node2": str(defaults.node_port),
        "worker": str(defaults.worker_port),
        "worker_bulk": str(defaults.worker_port + 1),
        "flower": str(defaults.flower_port),
    }


def test_everything_is_published_on_the_loopback_address_only():
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_image_runs_unprivileged_and_holds_what_it_copies():
    user = re.findall(r"^USER (\S+)", DOCKERFILE, re.M)
    assert user == ["10001:10001"]
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {name for names in copied for name in names} == kept
    assert all((ROOT / name).exists() for name in kept)


def test_files_that_the_programs_read_beside_the_code_are_in_the_image():
    assert documents.CLIENT.relative_to(ROOT).as_posix() in DOCKERFILE
