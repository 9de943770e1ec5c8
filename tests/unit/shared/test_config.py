"""The settings: read once from a mapping, checked together, never shown when secret."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from shared.config import ConfigError, SigningKey, load
from shared.config.__main__ import main
from shared.config.render import environment_file, table
from shared.config.settings import Settings

GOOD_SECRET = "k1:Zx8-qf2LkP0vRt5Wm9Yc3Bn7Hj1Gd4Sa6Ue"
PRODUCTION = {
    "BELLHOP_PROFILE": "production",
    "BELLHOP_JWT_SECRETS": GOOD_SECRET,
    "BELLHOP_FLOWER_PASSWORD": "wq3-Tz7-pL9-xB2",
}


def problems(**environ: str) -> str:
    with pytest.raises(ConfigError) as refused:
        load(environ)
    return "\n".join(refused.value.problems)


def test_an_empty_environment_gives_the_documented_defaults():
    settings = load({})
    assert (settings.profile, settings.api_port, settings.nodes) == ("development", 8000, 2)
    assert settings.broker_url == settings.redis_url
    assert settings.database_url == "sqlite:///.bellhop/bellhop.db"
    assert settings.query_token and settings.dev_sign_in and settings.console
    assert settings.origins == ("http://127.0.0.1:8000", "http://localhost:8000")


def test_derived_defaults_follow_what_they_are_derived_from():
    settings = load({"REDIS_URL": "redis://r/1", "BELLHOP_DATA_DIR": "/data", "BELLHOP_API_PORT": "9"})
    assert settings.broker_url == "redis://r/1"
    assert settings.database_url == "sqlite:////data/bellhop.db"
    assert settings.origins[0] == "http://127.0.0.1:9"
    assert load({"BELLHOP_API_PORT": "80"}).origins == ("http://127.0.0.1", "http://localhost")


def test_names_without_prefix_are_read_as_they_are():
    settings = load({"DATABASE_URL": "sqlite://", "BROKER_URL": "amqp://b", "PORT": "8005"})
    assert (settings.database_url, settings.broker_url, settings.port) == ("sqlite://", "amqp://b", 8005)


def test_the_process_environment_is_not_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BELLHOP_NODES", "7")
    assert load({}).nodes == 2


def test_all_problems_are_told_together():
    told = problems(
        BELLHOP_NODES="many", BELLHOP_API_PORT="99999", BELLHOP_NODE_PROT="1", BELLHOP_JWT_SECRETS="nokid"
    )
    assert "BELLHOP_NODES='many'" in told
    assert "BELLHOP_API_PORT='99999': should be less than or equal to 65535" in told
    assert "BELLHOP_NODE_PROT is no setting; did you mean BELLHOP_NODE_PORT?" in told
    assert "BELLHOP_JWT_SECRETS must be `kid:secret`" in told


def test_a_bad_value_does_not_hide_what_production_refuses():
    told = problems(BELLHOP_PROFILE="production", BELLHOP_NODES="many", BELLHOP_DEBUG="1")
    assert "BELLHOP_NODES='many'" in told
    assert "BELLHOP_DEBUG must be off in production" in told
    assert "BELLHOP_JWT_SECRETS is required in production" in told


def test_a_refused_secret_is_not_also_called_missing():
    told = problems(**{**PRODUCTION, "BELLHOP_JWT_SECRETS": "nokid"})
    assert told.count("BELLHOP_JWT_SECRETS") == 1


def test_a_value_that_others_derive_from_is_told_once():
    assert problems(BELLHOP_API_PORT="x").count("\n") == 0


def test_an_empty_value_counts_as_not_set():
    assert load({"BELLHOP_NODES": "", "DATABASE_URL": ""}).nodes == 2


def test_lists_are_comma_separated():
    settings = load(
        {"BELLHOP_ORIGINS": " https://a.example , https://b.example,", "BELLHOP_JWT_APPS": "main,shop"}
    )
    assert settings.origins == ("https://a.example", "https://b.example")
    assert settings.jwt_apps == ("main", "shop")


def test_settings_do_not_change_after_loading():
    with pytest.raises(ValidationError):
        load({}).nodes = 3


class TestSecrets:
    def test_the_first_key_signs_and_two_are_valid_at_once(self):
        settings = load({"BELLHOP_JWT_SECRETS": "new:aaa, old:b:b"})
        assert settings.signing_keys() == (SigningKey("new", "aaa"), SigningKey("old", "b:b"))

    @pytest.mark.parametrize("text", ["a:1,b:2,c:3", "a:1,a:2", "a:", ":b", "a b:c", "justtext"])
    def test_a_bad_list_of_keys_is_refused_without_being_shown(self, text: str):
        told = problems(BELLHOP_JWT_SECRETS=text)
        assert told.startswith("BELLHOP_JWT_SECRETS ")
        assert text not in told

    def test_no_secret_shows_in_the_representation(self):
        settings = load(
            {**PRODUCTION, "DATABASE_URL": "postgresql://u:hidden@h/d", "REDIS_URL": "redis://:hidden@h"}
        )
        shown = repr(settings) + repr(settings.signing_keys())
        assert "hidden" not in shown
        assert GOOD_SECRET.partition(":")[2] not in shown
        assert PRODUCTION["BELLHOP_FLOWER_PASSWORD"] not in shown

    def test_no_secret_shows_in_the_librarys_own_error(self):
        with pytest.raises(ValidationError) as refused:
            Settings(jwt_secrets="hidden")  # type: ignore[arg-type]
        assert "hidden" not in str(refused.value)

    def test_a_secret_may_come_from_a_file(self, tmp_path: Path):
        (tmp_path / "jwt").write_text(GOOD_SECRET + "\n")
        (tmp_path / "url").write_text("postgresql://u:p@h/d\n")
        settings = load(
            {"BELLHOP_JWT_SECRETS_FILE": str(tmp_path / "jwt"), "DATABASE_URL_FILE": str(tmp_path / "url")}
        )
        assert settings.jwt_secrets.get_secret_value() == GOOD_SECRET
        assert settings.database_url == "postgresql://u:p@h/d"

    def test_a_file_that_is_missing_or_doubles_the_value_is_refused(self, tmp_path: Path):
        told = problems(
            BELLHOP_FLOWER_PASSWORD_FILE=str(tmp_path / "no"),
            BELLHOP_JWT_SECRETS_FILE="/etc/hostname",
            BELLHOP_JWT_SECRETS="k:v",
        )
        assert "BELLHOP_FLOWER_PASSWORD_FILE=" in told
        assert "No such file" in told
        assert "BELLHOP_JWT_SECRETS and BELLHOP_JWT_SECRETS_FILE are both set" in told

    def test_what_is_no_secret_has_no_file_variant(self):
        assert "BELLHOP_NODES_FILE is no setting" in problems(BELLHOP_NODES_FILE="/x")


class TestProduction:
    def test_good_settings_pass(self):
        settings = load(PRODUCTION)
        assert not (settings.query_token or settings.dev_sign_in or settings.console or settings.origins)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"BELLHOP_JWT_SECRETS": ""}, "BELLHOP_JWT_SECRETS is required"),
            ({"BELLHOP_JWT_SECRETS": "k1:" + GOOD_SECRET[3:34]}, "secret 'k1' is shorter than 32 bytes"),
            ({"BELLHOP_JWT_SECRETS": f"{GOOD_SECRET},k2:short"}, "secret 'k2' is shorter than 32 bytes"),
            ({"BELLHOP_JWT_SECRETS": "k1:" + "ab" * 20}, "secret 'k1' is a placeholder"),
            (
                {"BELLHOP_JWT_SECRETS": "k1:please-change-me-0123456789abcdefgh"},
                "secret 'k1' is a placeholder",
            ),
            ({"BELLHOP_JWT_SECRETS": "development:" + GOOD_SECRET}, "generated development secret"),
            ({"BELLHOP_ORIGINS": "https://a.example,*"}, "BELLHOP_ORIGINS must name exact origins"),
            ({"BELLHOP_ORIGINS": "https://*.example"}, "BELLHOP_ORIGINS must name exact origins"),
            ({"BELLHOP_FLOWER_PASSWORD": ""}, "BELLHOP_FLOWER_PASSWORD is required"),
            ({"BELLHOP_FLOWER_PASSWORD": "changeme"}, "BELLHOP_FLOWER_PASSWORD is a placeholder"),
            ({"BELLHOP_DEBUG": "true"}, "BELLHOP_DEBUG must be off"),
            ({"BELLHOP_DEV_SIGN_IN": "true"}, "BELLHOP_DEV_SIGN_IN must be off"),
        ],
    )
    def test_what_is_weak_is_refused(self, change: dict[str, str], told: str):
        assert told in problems(**{**PRODUCTION, **change})

    def test_32_bytes_are_enough(self):
        assert load({**PRODUCTION, "BELLHOP_JWT_SECRETS": "k1:" + GOOD_SECRET[3:35]})

    def test_development_refuses_none_of_it(self):
        assert load({"BELLHOP_ORIGINS": "*", "BELLHOP_DEBUG": "1", "BELLHOP_JWT_SECRETS": "k:short"})


class TestCommands:
    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("BELLHOP_FLOWER_PASSWORD", "not-to-be-shown")

    def test_check_says_that_all_is_well(self, capsys: pytest.CaptureFixture[str]):
        assert main(["check"]) == 0
        assert "settings are good" in capsys.readouterr().out

    def test_check_lists_every_problem_and_exits_with_2(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("BELLHOP_NODES", "x")
        monkeypatch.setenv("BELLHOP_WHAT", "x")
        with pytest.raises(SystemExit) as ended:
            main(["check"])
        assert ended.value.code == 2
        assert capsys.readouterr().err.count("bellhop: ") == 2

    def test_documents_show_declarations_and_no_values(self, capsys: pytest.CaptureFixture[str]):
        assert main(["table"]) == main(["env"]) == 0
        printed = capsys.readouterr().out
        assert printed == table() + environment_file()
        assert "not-to-be-shown" not in printed

    def test_anything_else_is_a_usage_error(self):
        assert main([]) == 2


def test_the_example_file_is_all_comments_and_names_every_setting():
    lines = [line for line in environment_file().splitlines() if line]
    assert all(line.startswith("#") for line in lines)
    assert sum("=" in line.split(" ")[0] for line in lines) == len(Settings.model_fields)


def test_every_secret_has_no_default():
    secrets = [field for field in Settings.model_fields.values() if field.annotation is SecretStr]
    assert secrets
    assert not [field for field in secrets if field.default.get_secret_value()]


ALONE = {
    "BELLHOP_PROFILE": "production",
    "BELLHOP_FLOWER_PASSWORD": "pT7kVn2cRz9wQx4m",
    "BELLHOP_ISSUER": "https://login.example.com/",
    "BELLHOP_ISSUER_JWKS": "https://login.example.com/keys",
}


def test_another_issuer_works_alone_and_then_nothing_is_issued_here():
    settings = load(ALONE)
    assert (settings.accounts, settings.issues_tokens) == (False, False)
    assert load(ALONE | {"BELLHOP_JWT_SECRETS": "k1:Zm9QhR2vXk7tLw4nPc8sYd3bGj6uEa5o"}).accounts


@pytest.mark.parametrize(
    "wrong",
    [
        {"BELLHOP_ISSUER_JWKS": ""},
        {"BELLHOP_ISSUER": ""},
        {"BELLHOP_ISSUER_JWKS": "http://login.example.com/keys"},
        {"BELLHOP_ISSUER_JWKS": "ftp://login.example.com/keys"},
        {"BELLHOP_ISSUER_ALGORITHMS": "RS256,HS256"},
        {"BELLHOP_ISSUER_ALGORITHMS": "none"},
        {"BELLHOP_ACCOUNTS": "true"},
    ],
)
def test_an_issuer_that_is_half_set_or_could_not_be_trusted_is_refused(wrong):
    with pytest.raises(ConfigError):
        load(ALONE | wrong)


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        "https://app.example.com,http://localhost:8080",
        "http://[::1]:9,capacitor://localhost",
        "https://xn--bcher-kva.example",
    ],
)
def test_origins_as_browsers_send_them(origins):
    assert ",".join(load({"BELLHOP_ORIGINS": origins}).origins) == origins


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com/",
        "https://app.example.com/page",
        "https://App.example.com",
        "https://app.example.com:443",
        "http://localhost:80",
        "https://bücher.example",
        "https://user@app.example.com",
        "app.example.com",
        "null",
    ],
)
def test_an_origin_that_no_page_could_have_is_refused_and_not_waited_for_in_vain(origin):
    with pytest.raises(ConfigError, match=f"{re.escape(origin)}' is no origin"):
        load({"BELLHOP_ORIGINS": f"https://good.example,{origin}"})


def test_what_revokes_is_remembered_longer_than_any_token_is_good():
    settings = load({"BELLHOP_TOKEN_LIFE_MAX": "86400", "BELLHOP_JWT_LEEWAY": "300"})
    assert settings.revocation_life > settings.token_life_max + settings.jwt_leeway
    with pytest.raises(ConfigError, match="TOKEN_TTL"):
        load({"BELLHOP_TOKEN_TTL": "2678401"})
    assert load({"BELLHOP_TOKEN_TTL": "2678400"}).token_ttl == 2_678_400
