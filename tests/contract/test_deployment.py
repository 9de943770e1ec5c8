"""The Dockerfile and the compose files: what can be held without an engine to build and run them.

Nothing here replaces building the image. Schema, linter and interpolation are those of the tools; the rest are our own
rules, and that the files agree with the Procfile, the settings and the configuration of nginx.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from api import documents
from launcher.procfile import parse
from shared.config import ConfigError, load
from shared.db import PATIENCE_SECONDS
from shared.db.engine import CONNECT_SECONDS
from tests.architecture.sources import ROOT
from wsnode.socketio.carried import POLL_WAIT

FILES = [ROOT / "docker-compose.yml", ROOT / "deploy" / "tls.yml"]
COMPOSE: dict[str, Any] = yaml.safe_load(FILES[0].read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("bellhop:")}
NGINX = ROOT / "deploy" / "nginx"
ADDRESSES = (NGINX / "addresses.conf").read_text()
RIGHTS_OF = {
    **dict.fromkeys(("api1", "api2"), "api"),
    **dict.fromkeys(("node1", "node2"), "node"),
    **dict.fromkeys(("worker", "worker_bulk"), "worker"),
    "beat": "beat",
    "flower": "flower",
}
"""Whose rights in Redis each service has (deploy/redis_users.acl)."""
BIN = Path(sys.executable).parent
RUN_SECRETS = "/run/secrets/"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `make secrets` makes it."""
    folder = tmp_path_factory.mktemp("deploy") / "secrets"
    make_secrets(folder)
    return folder


def make_secrets(folder: Path) -> list[str]:
    """What was made anew."""
    command = ["sh", str(ROOT / "deploy" / "secrets.sh"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return [Path(line.removeprefix("made ")).name for line in done.stdout.splitlines()]


def environment(name: str, secrets: Path) -> dict[str, str]:
    """What the programs of a service find: of the image, and of compose with its secrets mounted."""
    image = dict(re.findall(r"^\s+(?:ENV )?(BELLHOP_\w+)=(\S+)", DOCKERFILE, re.M))
    given = {key: str(value) for key, value in OURS[name]["environment"].items()}
    mounted = set(OURS[name]["secrets"])
    for key, value in given.items():
        if value.startswith(RUN_SECRETS):
            assert value.removeprefix(RUN_SECRETS) in mounted, f"{name} has {key} and not its secret"
            given[key] = str(secrets / value.removeprefix(RUN_SECRETS))
    return {**image, **given}


def seconds_of(file: str, directive: str) -> int:
    """A deadline of the configuration of nginx, which must be there once."""
    (found,) = re.findall(rf"^\s*{directive} (\d+)s;", (NGINX / file).read_text(), re.M)
    return int(found)


def interpolated(tmp_path: Path, **variables: str) -> dict[str, Any]:
    """The two files together as podman-compose reads them; it wants a `podman`, if only to ask for its version."""
    stub = tmp_path / "podman"
    stub.write_text("#!/bin/sh\necho podman version 5.0.0\n")
    stub.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), **variables}
    command = [str(BIN / "podman-compose"), *(part for file in FILES for part in ("-f", str(file))), "config"]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    return found


@pytest.mark.timeout(240)
class TestByTools:
    """Schema, linter, interpolation."""

    def test_both_compose_files_are_what_the_specification_allows(self):
        command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", *map(str, FILES)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_the_dockerfile_passes_its_linter(self):
        command = [str(BIN / "hadolint"), str(ROOT / "Dockerfile")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout

    def test_what_is_published_follows_the_variables_and_is_this_host_by_default(self, tmp_path: Path):
        nginx = interpolated(tmp_path)["services"]["nginx"]
        assert nginx["ports"] == ["127.0.0.1:8080:8080", "127.0.0.1:8443:8443"]
        assert nginx["command"][0] == "/etc/bellhop/tls.conf"
        assert nginx["secrets"] == ["tls_certificate", "tls_key"]
        nginx = interpolated(tmp_path, PUBLIC_ADDRESS="0.0.0.0", HTTP_PORT="80", HTTPS_PORT="443")[
            "services"
        ]["nginx"]
        assert nginx["ports"] == ["0.0.0.0:80:8080", "0.0.0.0:443:8443"]

    def test_nothing_is_left_to_be_filled_in(self, tmp_path: Path):
        assert "${" not in yaml.safe_dump(interpolated(tmp_path)).replace("$${", "")


class TestEveryService:
    """Rules of our own, for each service that compose starts."""

    @pytest.mark.parametrize("name", SERVICES)
    def test_it_is_confined(self, name: str):
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), "a number, and not root's"
        assert "privileged" not in service and "cap_add" not in service

    @pytest.mark.parametrize("name", SERVICES)
    def test_it_has_limits_and_a_log_that_ends(self, name: str):
        service = SERVICES[name]
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}

    @pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
    def test_it_says_whether_it_is_well(self, name: str):
        check = SERVICES[name]["healthcheck"]
        assert check["test"] and check["timeout"] and check["interval"]

    @pytest.mark.parametrize("name", SERVICES)
    def test_its_image_has_a_version(self, name: str):
        tag = SERVICES[name]["image"].partition(":")[2]
        assert re.match(r"\d+\.?\d*", tag)

    @pytest.mark.parametrize("name", SERVICES)
    def test_it_waits_for_what_it_needs_to_be_well(self, name: str):
        conditions = {one["condition"] for one in SERVICES[name].get("depends_on", {}).values()}
        assert conditions <= {"service_healthy", "service_completed_successfully"}

    def test_nobody_but_nginx_is_published(self):
        assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]

    def test_database_and_redis_are_on_a_network_that_reaches_nothing_and_that_nginx_is_not_on(self):
        on_data = {name for name, service in SERVICES.items() if "data" in service["networks"]}
        assert COMPOSE["networks"]["data"]["internal"] and COMPOSE["networks"]["edge"]["internal"]
        assert SERVICES["postgres"]["networks"] == SERVICES["valkey"]["networks"] == ["data"]
        assert on_data == set(SERVICES) - {"nginx"}

    def test_no_password_stands_in_the_files(self):
        for service in SERVICES.values():
            for key, value in service.get("environment", {}).items():
                if re.search("PASSWORD|SECRET|(DATABASE|REDIS|BROKER)_URL", key):
                    assert key.endswith("_FILE") and value.startswith(RUN_SECRETS), key
        assert not re.search(r"\$\{\w*(PASSWORD|SECRET)", FILES[0].read_text())


class TestOurs:
    """The services agree with the programs."""

    def test_every_process_of_the_procfile_has_a_service_and_api_and_node_have_two(self):
        run = [service["command"][0] for service in OURS.values() if service["command"]]
        assert set(run) == set(parse((ROOT / "Procfile").read_text()))
        assert (run.count("api"), run.count("node")) == (2, 2)
        assert DOCKERFILE.count('ENTRYPOINT ["python", "-m", "launcher", "exec"]') == 1

    @pytest.mark.parametrize("name", OURS)
    def test_each_starts_with_the_secrets_that_were_made(self, name: str, secrets: Path):
        settings = load(environment(name, secrets))
        assert settings.profile == "production"
        if name != "migrate":
            user = RIGHTS_OF[name]
            assert settings.redis_url == settings.broker_url
            assert re.fullmatch(rf"redis://{user}:[A-Za-z0-9]{{32}}@valkey:6379/0", settings.redis_url)
            assert [one for one in OURS[name]["secrets"] if one.startswith("redis")] == [f"redis_url_{user}"]
        if "database_url" in OURS[name]["secrets"]:
            password = (secrets / "postgres_password").read_text().strip()
            assert settings.database_url == f"postgresql+psycopg://bellhop:{password}@postgres:5432/bellhop"

    def test_nodes_beat_and_flower_know_no_password_of_the_database(self):
        ignorant = {name for name in OURS if "database_url" not in OURS[name]["secrets"]}
        assert ignorant == {"node1", "node2", "beat", "flower"}

    @pytest.mark.parametrize("secret", ["jwt_secrets", "flower_password"])
    def test_an_empty_secret_is_refused_by_the_programs(self, secret: str, secrets: Path, tmp_path: Path):
        given = environment("api1", secrets)
        (tmp_path / secret).touch()
        given[f"BELLHOP_{secret.upper()}_FILE"] = str(tmp_path / secret)
        with pytest.raises(ConfigError):
            load(given)

    def test_health_checks_ask_the_ports_and_paths_the_processes_take(self, secrets: Path):
        for name, service in OURS.items():
            settings = load(environment(name, secrets))
            port = {
                "api": settings.port or settings.api_port,
                "node": settings.port,
                "worker": settings.worker_port,
                "worker_bulk": settings.worker_port + 1,
                "flower": settings.flower_port,
            }.get(next(iter(service["command"]), ""))
            if port is not None:
                assert service["healthcheck"]["test"][4] == str(port), name
        assert SERVICES["flower"]["healthcheck"]["test"][5] == "/flower/healthcheck"
        beat = SERVICES["beat"]
        assert beat["healthcheck"]["test"][4] == beat["environment"]["BELLHOP_BEAT_PULSE"]

    def test_the_time_to_stop_is_longer_than_a_drain(self):
        def seconds(name: str) -> int:
            return int(SERVICES[name]["stop_grace_period"].removesuffix("s"))

        defaults = load({})
        assert seconds("node1") > defaults.drain_window + 15, "gunicorn's graceful_timeout"
        assert seconds("api1") > 20
        assert seconds("worker") == seconds("worker_bulk") >= 60

    def test_nginx_knows_each_by_its_address_and_they_believe_nginx_alone(self, secrets: Path):
        def address(name: str) -> str:
            return str(SERVICES[name]["networks"]["edge"]["ipv4_address"])

        ports = {"api1": 8000, "api2": 8000, "node1": 8001, "node2": 8002, "flower": 5555}
        known = set(re.findall(r"server (\S+?)[ ;]", ADDRESSES))
        assert known == {f"{address(name)}:{port}" for name, port in ports.items()}
        for node in ("node1", "node2"):
            assert load(environment(node, secrets)).port == ports[node]
        assert {load(environment(name, secrets)).trusted_proxies for name in OURS} == {(address("nginx"),)}


class TestNginx:
    """Its deadlines agree with those of what stands behind it."""

    def test_a_socket_on_which_nobody_speaks_lives_and_a_poll_is_answered(self):
        silence = seconds_of("sockets.conf", "proxy_read_timeout")
        defaults = load({})
        assert silence > defaults.ping_interval + defaults.pong_wait, "of a node that pings"
        assert silence > POLL_WAIT, "of a poll that brings nothing"

    def test_whoever_waits_for_the_database_hears_it_from_the_api(self):
        # One answer, and before and after it a new connection.
        longest = PATIENCE_SECONDS + 2 * CONNECT_SECONDS
        (api,) = re.findall(
            r"location / \{.*?proxy_read_timeout (\d+)s", (NGINX / "routes.conf").read_text(), re.S
        )
        assert int(api) > 2 * longest

    def test_a_batch_as_large_as_the_api_takes_passes(self):
        bound = re.search(r"client_max_body_size (\d+)m;", (NGINX / "http.conf").read_text())
        assert bound is not None and int(bound[1]) * 2**20 > load({}).batch_max


class TestSecrets:
    """`make secrets`."""

    def test_only_its_owner_gets_into_the_folder_and_the_containers_read_each_file(self, secrets: Path):
        assert secrets.stat().st_mode & 0o777 == 0o700
        assert {file.stat().st_mode & 0o777 for file in secrets.iterdir()} == {0o444}
        mounted = {name: Path(one["file"]) for name, one in COMPOSE["secrets"].items()}
        assert {path.name for path in mounted.values()} == {file.name for file in secrets.iterdir()}
        assert {path.parent.as_posix() for path in mounted.values()} == {"secrets"}

    def test_it_runs_again_without_changing_what_is_there(self, secrets: Path, tmp_path: Path):
        before = {file.name: file.read_text() for file in secrets.iterdir()}
        assert make_secrets(secrets) == []
        assert {file.name: file.read_text() for file in secrets.iterdir()} == before
        other = tmp_path / "other"
        assert len(make_secrets(other)) == len(before)
        assert not {file.read_text() for file in other.iterdir()} & set(before.values()), (
            "no two are the same"
        )

    def test_git_and_the_image_know_nothing_of_them(self):
        assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
        assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


class TestImage:
    """The Dockerfile."""

    def test_it_runs_unprivileged_and_holds_what_it_copies(self):
        assert re.findall(r"^USER (\S+)", DOCKERFILE, re.M) == ["10001:10001"]
        assert {OURS[name]["user"] for name in OURS} == {"10001:10001"}
        copied = [
            line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)
        ]
        kept = {
            line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
        }
        assert {name for names in copied for name in names} == kept
        assert all((ROOT / name).exists() for name in kept)

    def test_files_that_the_programs_read_beside_the_code_are_in_it(self):
        assert documents.CLIENT.relative_to(ROOT).as_posix() in DOCKERFILE

    def test_the_last_stage_builds_nothing(self):
        last = DOCKERFILE.rpartition("\nFROM ")[2]
        assert "uv " not in last and "apt" not in last and "pip install" not in last
        assert "--require-hashes" in DOCKERFILE
        assert re.findall(r"COPY (.*)", last) == ["--from=build /bellhop /bellhop"]
