"""shared.auth.tokens: what a token must carry, and every way in which one is refused."""

import base64
import json
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from shared.auth import tokens
from shared.auth.tokens import TokenExpired, TokenInvalid

NOW = 1_767_225_600_000
OLD, NEW, FOREIGN = "o" * 32, "n" * 32, "f" * 32


@dataclass(frozen=True)
class FakeSettings:
    jwt_secrets: SecretStr = field(default_factory=lambda: SecretStr(f"k2:{NEW},k1:{OLD}"))
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_type: str | None = None
    jwt_leeway: float = 10
    token_life_max: float = 31 * 86_400
    jwt_apps: str | tuple[str, ...] = "main, shop"
    user_scopes: tuple[str, ...] = ()
    issuer: str = ""
    issuer_audience: str = ""
    issuer_algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    issuer_apps: tuple[str, ...] = ("main",)


SETTINGS = FakeSettings()


def signed(
    claims: dict[str, Any],
    *,
    secret: str = NEW,
    headers: dict[str, Any] | None = None,
    algorithm: str = "HS256",
) -> str:
    whole = {"sub": "ana", "exp": NOW // 1000 + 60} | claims
    present = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(
        present, secret, algorithm=algorithm, headers={"kid": "k2"} if headers is None else headers
    )


def raw(header: dict[str, Any], payload: str, signature: str = "") -> str:
    parts = (json.dumps(header), payload)
    return ".".join([base64.urlsafe_b64encode(p.encode()).rstrip(b"=").decode() for p in parts] + [signature])


def test_an_issued_token_verifies_and_names_user_app_scopes_and_end():
    token = tokens.issue(
        SETTINGS, user="ana", app="shop", ttl=60, now=NOW, scopes=["notifications:write", "no:such"]
    )

    who = tokens.verify(SETTINGS, token, now=NOW)

    assert (who.user, who.app, who.sender, who.key) == ("ana", "shop", "user:ana", None)
    assert who.scopes == {"inbox:read", "inbox:write", "notifications:write"}
    assert who.expires_at == NOW + 60_000


def test_the_first_secret_signs_and_says_so_in_kid():
    token = tokens.issue(SETTINGS, user="ana", app="main", ttl=60, now=NOW)

    assert jwt.get_unverified_header(token)["kid"] == "k2"
    assert jwt.decode(token, NEW, algorithms=["HS256"], options={"verify_exp": False})["sub"] == "ana"


@pytest.mark.parametrize(("kid", "secret"), [("k1", OLD), ("k2", NEW)])
def test_both_secrets_are_valid_at_once(kid, secret):
    assert tokens.verify(SETTINGS, signed({}, secret=secret, headers={"kid": kid}), now=NOW).user == "ana"


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_a_token_without_kid_may_be_signed_with_either_secret(secret):
    assert tokens.verify(SETTINGS, signed({}, secret=secret, headers={}), now=NOW).user == "ana"


def test_the_settings_issuer_audience_and_type_go_into_issued_tokens_and_are_demanded():
    strict = replace(SETTINGS, jwt_issuer="https://id.example", jwt_audience="bellhop", jwt_type="at+jwt")

    token = tokens.issue(strict, user="ana", app="main", ttl=60, now=NOW)

    assert tokens.verify(strict, token, now=NOW).user == "ana"
    for wrong in (
        {"jwt_issuer": "https://other.example"},
        {"jwt_audience": "else"},
        {"jwt_type": "wst+jwt"},
    ):
        with pytest.raises(TokenInvalid):
            tokens.verify(replace(strict, **wrong), token, now=NOW)


@pytest.mark.parametrize("missing", ["jwt_issuer", "jwt_audience", "jwt_type"])
def test_a_claim_that_the_settings_demand_must_be_there(missing):
    token = tokens.issue(SETTINGS, user="ana", app="main", ttl=60, now=NOW)

    with pytest.raises(TokenInvalid):
        tokens.verify(replace(SETTINGS, **{missing: "wanted"}), token, now=NOW)


def test_issuer_and_audience_are_not_looked_at_when_unset():
    assert tokens.verify(SETTINGS, signed({"iss": "x", "aud": ["y"]}), now=NOW).user == "ana"


def test_the_type_is_compared_without_case_and_prefix():
    strict = replace(SETTINGS, jwt_type="AT+JWT")
    token = signed({}, headers={"kid": "k2", "typ": "application/at+jwt"})

    assert tokens.verify(strict, token, now=NOW).user == "ana"


@pytest.mark.parametrize(
    ("offset_ms", "accepted"), [(0, True), (69_000, True), (70_000, False), (3_600_000, False)]
)
def test_a_token_ends_at_exp_plus_leeway(offset_ms, accepted):
    token = tokens.issue(SETTINGS, user="ana", app="main", ttl=60, now=NOW)

    if accepted:
        assert tokens.verify(SETTINGS, token, now=NOW + offset_ms).user == "ana"
    else:
        with pytest.raises(TokenExpired):
            tokens.verify(SETTINGS, token, now=NOW + offset_ms)


@pytest.mark.parametrize(
    ("claims", "user"),
    [
        ({"sub": "19"}, "19"),
        ({"sub": None, "userId": "19"}, "19"),
        ({"sub": None, "userId": 19}, "19"),
        ({"sub": 19}, "19"),
        ({"sub": "19", "userId": 19}, "19"),
        ({"sub": "Zoë Ünïcode"}, "Zoë Ünïcode"),
    ],
)
def test_the_user_is_named_by_sub_or_userid(claims, user):
    assert tokens.verify(SETTINGS, signed(claims), now=NOW).user == user


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": None},
        {"sub": "a", "userId": "b"},
        {"sub": ""},
        {"sub": "  "},
        {"sub": "x" * 129},
        {"sub": "a\nb"},
        {"sub": True},
        {"sub": 1.5},
        {"sub": ["a"]},
        {"userId": {"a": 1}},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e30},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": -5},
        {"nbf": NOW // 1000 + 11},
        {"app": "other"},
        {"app": "Main"},
        {"app": 7},
        {"scope": ["notifications:write"]},
    ],
)
def test_claims_that_name_nobody_or_no_time_are_refused(claims):
    with pytest.raises(TokenInvalid):
        tokens.verify(SETTINGS, signed(claims), now=NOW)


def test_a_lone_surrogate_in_the_user_is_refused():
    payload = json.dumps({"sub": "a\ud800", "exp": NOW // 1000 + 60})
    unsigned = raw({"alg": "HS256", "kid": "k2"}, payload)[:-1]
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        unsigned.encode(), NEW.encode()
    )
    token = f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    with pytest.raises(TokenInvalid):
        tokens.verify(SETTINGS, token, now=NOW)


def test_the_algorithm_is_never_taken_from_the_header():
    claims = json.dumps({"sub": "ana", "exp": NOW // 1000 + 60})

    for token in (raw({"alg": "none", "kid": "k2"}, claims), signed({}, algorithm="HS512", secret=NEW * 2)):
        with pytest.raises(TokenInvalid):
            tokens.verify(replace(SETTINGS, jwt_secrets=SecretStr(f"k2:{NEW * 2}")), token, now=NOW)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "....",
        "é.é.é",
        "a" * 5000,
        signed({}, secret=FOREIGN),
        signed({}, headers={"kid": "k9"}),
        signed({}, headers={"kid": "k1"}),
        raw({"alg": "HS256", "kid": "k2"}, "[]"),
        raw({"alg": "HS256", "kid": 3}, "{}"),
        raw({"alg": "HS256", "kid": ["k2"]}, "{}"),
        raw({"alg": "HS256", "kid": "k2", "b64": False}, "{}"),
        raw({"alg": "HS256"}, "[" * 3000),
    ],
)
def test_what_is_no_token_of_ours_is_refused(token):
    with pytest.raises(TokenInvalid):
        tokens.verify(SETTINGS, token, now=NOW)


def test_a_short_secret_signs_nothing_and_verifies_nothing():
    short = replace(SETTINGS, jwt_secrets=SecretStr("k2:short"))

    with pytest.raises(jwt.InvalidKeyError):
        tokens.issue(short, user="ana", app="main", ttl=60, now=NOW)
    with pytest.warns(jwt.InsecureKeyLengthWarning), pytest.raises(TokenInvalid):
        tokens.verify(short, signed({}, secret="short"), now=NOW)


def test_a_time_in_seconds_is_a_mistake_of_the_program():
    with pytest.raises(ValueError, match="milliseconds"):
        tokens.verify(SETTINGS, signed({}), now=NOW // 1000)


def test_without_a_secret_nothing_is_signed_and_nothing_is_verified():
    bare = replace(SETTINGS, jwt_secrets=SecretStr(""))

    with pytest.raises(ValueError, match="jwt_secrets"):
        tokens.issue(bare, user="ana", app="main", ttl=60, now=NOW)
    with pytest.raises(TokenInvalid):
        tokens.verify(bare, signed({}), now=NOW)


def test_a_token_carries_its_session_and_when_it_was_issued():
    token = tokens.issue(SETTINGS, user="ana", app="main", ttl=60, now=NOW, session="s-1")

    who = tokens.verify(SETTINGS, token, now=NOW)

    assert (who.session, who.issued_at) == ("s-1", NOW)


@pytest.mark.parametrize("session", ["", "x" * 65, "a\nb", 7, ["s"]])
def test_a_session_that_is_none_is_refused(session):
    with pytest.raises(TokenInvalid):
        tokens.verify(SETTINGS, signed({"sid": session}), now=NOW)


def test_every_user_has_the_scopes_of_the_setting():
    settings = replace(SETTINGS, user_scopes=("messages:write",))

    who = tokens.verify(settings, signed({"scope": "presence:read"}), now=NOW)

    assert who.scopes == {"inbox:read", "inbox:write", "messages:write", "presence:read"}
