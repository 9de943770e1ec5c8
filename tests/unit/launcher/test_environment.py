"""What the children see, what a .env file says, what the banner and the small commands print."""

import io
import os
import shlex
import stat
from pathlib import Path

import pytest

from launcher import guard
from launcher.__main__ import main
from launcher.data_dir import DataDir
from launcher.environment import for_children, read_env_file, with_generated_secrets
from launcher.output import Stream
from launcher.run import curl
from launcher.waiting import wait_for
from shared.auth.tokens import verify
from shared.clock import SystemClock
from shared.config import load


def test_an_env_file_is_read_like_composes():
    text = "# comment\n\nA=1\nexport B = two words \nC='quoted'\nD=\"x=y\"\nE=\nnothing\n#F=2\n"
    assert read_env_file(text) == {"A": "1", "B": "two words", "C": "quoted", "D": "x=y", "E": ""}


def test_generated_secrets_fill_in_only_what_is_not_given(tmp_path: Path):
    data = DataDir(tmp_path)
    added = with_generated_secrets({"BELLHOP_JWT_SECRETS": "k:mine"}, data)
    assert "BELLHOP_JWT_SECRETS_FILE" not in added
    assert added["BELLHOP_FLOWER_PASSWORD_FILE"] == str(data.flower_password)


def test_children_get_absolute_places_and_no_port_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    env = for_children({"PORT": "1", "PATH": "/bin"}, load({}), DataDir(Path("data")), "redis://r")
    assert env["BELLHOP_DATA_DIR"] == str(tmp_path / "data")
    assert env["PATH"].endswith(":/bin")
    assert env["REDIS_URL"] == "redis://r"
    assert "PORT" not in env
    assert load(env)


def test_a_redis_given_by_url_is_left_alone(tmp_path: Path):
    env = for_children({"REDIS_URL": "redis://theirs"}, load({}), DataDir(tmp_path), "")
    assert env["REDIS_URL"] == "redis://theirs"


def test_the_remembered_redis_port_is_used_while_it_is_usable(tmp_path: Path):
    data = DataDir(tmp_path)
    assert data.redis_port(lambda: 7001, lambda _: True) == 7001
    assert data.redis_port(lambda: 7002, lambda _: True) == 7001
    assert data.redis_port(lambda: 7003, lambda port: port != 7001) == 7003


def test_the_curl_command_survives_the_shell():
    words = shlex.split(curl("http://127.0.0.1:8000", "bk_x_y"))
    assert words[:4] == [
        "curl",
        "http://127.0.0.1:8000/v1/notifications",
        "-H",
        "Authorization: Bearer bk_x_y",
    ]
    assert words[-1].startswith('{"to": {"users": ["ana"]}')


def test_token_prints_a_good_token_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["token", "--user", "ana o'neil", "--ttl", "60"], {"BELLHOP_DATA_DIR": str(tmp_path)}) == 0
    token = capsys.readouterr().out.splitlines()[-1]
    secret = {"BELLHOP_JWT_SECRETS_FILE": str(tmp_path / "secrets" / "jwt_secrets")}
    assert verify(load(secret), token, now=SystemClock().now_ms()).user == "ana o'neil"


def test_token_refuses_bad_settings_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["token", "--user", "ana"], {"BELLHOP_DATA_DIR": str(tmp_path), "BELLHOP_PROFILE": "production"})
    assert ended.value.code == 2
    assert "BELLHOP_JWT_SECRETS is required in production" in capsys.readouterr().err


def test_generated_secrets_are_readable_by_their_owner_only(tmp_path: Path):
    data = DataDir(tmp_path / "data")
    data.generate_secrets()
    modes = {stat.S_IMODE(file.stat().st_mode) for file in data.secrets.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(data.path.stat().st_mode) == 0o700


def test_the_guard_knows_which_groups_are_left():
    assert guard.follow(["+12\n", "+13\n", "-12\n", "-99\n", "+14\n"]) == {13, 14}


def test_the_guard_signals_what_exists():
    nobody = 2**22 + 1  # above the largest process id of Linux
    assert guard.send({os.getpgid(0), nobody}, 0) == {os.getpgid(0)}


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_carry_a_coloured_name_on_a_terminal_only(terminal: bool):
    class Out(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    out = Out()
    with Stream(out).open("node.1") as pipe:
        pipe.write(b"hello\nworld\n")
    assert wait_for(lambda: "world\n" in out.getvalue(), seconds=5)
    first = out.getvalue().splitlines()[0]
    assert first == ("\x1b[36mnode.1     |\x1b[0m hello" if terminal else "hello")
