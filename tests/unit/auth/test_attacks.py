"""The attacks on JSON Web Tokens (drill D23), on our own tokens and on those of another issuer: none is accepted, and
none raises anything but a refusal."""

import base64
import hashlib
import hmac
import json
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.auth import tokens
from shared.auth.key_set import KeySet, parse
from shared.auth.tokens import TokenExpired, TokenInvalid
from tests.fixtures.other_issuer import ISSUER, key_set, private_key, public_jwk, signed
from tests.unit.auth.test_tokens import NEW, FakeSettings

NOW = 1_767_225_600_000
NOW_S = NOW // 1000
OURS = FakeSettings(jwt_issuer="https://us.example.com", jwt_audience="bellhop", jwt_type="at+jwt")
BOTH = FakeSettings(
    jwt_issuer="https://us.example.com",
    jwt_audience="bellhop",
    jwt_type="at+jwt",
    issuer=ISSUER,
    issuer_audience="bellhop",
    issuer_apps=("main",),
)
KEYS = parse(
    key_set(
        public_jwk("RS256", "r"), public_jwk("ES256", "e"), public_jwk("EdDSA", "d"), public_jwk("ES384", "x")
    )
)
ALONE = FakeSettings(jwt_secrets=SecretStr(""), issuer=ISSUER)
THEIRS = {"sub": "ana", "iss": ISSUER, "aud": "bellhop", "exp": NOW_S + 60}
KIDS = {"RS256": "r", "ES256": "e", "EdDSA": "d"}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(header: dict[str, Any], claims: dict[str, Any], sign: Any = lambda _: b"") -> str:
    head = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{head}.{b64(sign(head.encode()))}"


def hs256(secret: bytes) -> Any:
    return lambda head: hmac.new(secret, head, hashlib.sha256).digest()


def refused(token: str, config: Any = BOTH, keys: KeySet | None = KEYS) -> str:
    with pytest.raises((TokenInvalid, TokenExpired)) as caught:
        tokens.verify(config, token, now=NOW, keys=keys)
    return caught.value.message


def ours() -> str:
    return tokens.issue(OURS, user="ana", app="main", ttl=60, now=NOW)


@pytest.mark.parametrize("algorithm", KIDS)
def test_a_good_token_of_the_other_issuer_names_its_user(algorithm: str):
    claims = THEIRS | {"sid": "s1", "iat": NOW_S, "scope": "presence:read"}
    token = signed(claims, algorithm=algorithm, kid=KIDS[algorithm])
    for config in (BOTH, ALONE):
        who = tokens.verify(config, token, now=NOW, keys=KEYS)
        assert (who.user, who.app, who.session, who.issued_at) == ("ana", "main", "s1", NOW)
        assert who.may("presence:read")
        assert who.expires_at == NOW + 60_000


def test_both_kinds_are_good_side_by_side():
    assert tokens.verify(BOTH, ours(), now=NOW, keys=KEYS).user == "ana"


PEM = (
    private_key("RS256")
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
)
DER = (
    private_key("RS256")
    .public_key()
    .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)
JWK = json.dumps(public_jwk("RS256", "r")).encode()


@pytest.mark.parametrize("kid", ["r", "e", "k2", None])
@pytest.mark.parametrize("claims", [THEIRS, THEIRS | {"iss": "https://us.example.com"}])
def test_no_algorithm_and_a_public_key_as_a_secret(kid: str | None, claims: dict[str, Any]):
    named: dict[str, Any] = {"typ": "at+jwt"} | ({} if kid is None else {"kid": kid})
    for algorithm in ("none", "None", "NONE", "nOnE", "", None, 0, ["HS256"], {"a": 1}):
        refused(raw(named | {"alg": algorithm}, claims))
        refused(raw(named | {"alg": algorithm}, claims, hs256(NEW.encode())))
    refused(raw(named, claims))
    for secret in (PEM, PEM.strip(), DER, JWK, b"", b"\x00" * 32):
        for algorithm in ("HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"):
            refused(raw(named | {"alg": algorithm}, claims, hs256(secret)))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": public_jwk("ES256", "evil", "evil")},
        {"jku": "https://evil.example.com/keys"},
        {"x5u": "https://evil.example.com/cert"},
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1"},
        {"kid": "e\x00"},
        {"crit": ["exp"], "exp": 1},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF", "kid": "z"},
    ],
)
def test_a_header_that_points_to_another_key_is_no_help(header: dict[str, Any]):
    refused(signed(THEIRS, name="evil", kid="e", headers=header))


@pytest.mark.parametrize(
    ("algorithm", "kid"), [("ES256", "r"), ("RS256", "e"), ("ES384", "x"), ("EdDSA", "e")]
)
def test_a_key_is_for_its_own_algorithm_and_only_those_of_the_setting_count(algorithm: str, kid: str):
    refused(signed(THEIRS, algorithm=algorithm, kid=kid))


def test_a_key_that_names_its_algorithm_serves_no_other():
    pinned = parse(key_set(public_jwk("RS256", "r", alg="RS512")))
    refused(signed(THEIRS, algorithm="RS256", kid="r"), keys=pinned)


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"iss": None}, TokenInvalid),
        ({"iss": ISSUER.rstrip("/")}, TokenInvalid),
        ({"iss": ISSUER.upper()}, TokenInvalid),
        ({"iss": "https://us.example.com"}, TokenInvalid),
        ({"iss": [ISSUER]}, TokenInvalid),
        ({"iss": ""}, TokenInvalid),
        ({"aud": None}, TokenInvalid),
        ({"aud": "another"}, TokenInvalid),
        ({"aud": ["another", "other"]}, TokenInvalid),
        ({"aud": {"bellhop": 1}}, TokenInvalid),
        ({"exp": None}, TokenInvalid),
        ({"exp": "never"}, TokenInvalid),
        ({"exp": 1e300}, TokenInvalid),
        ({"exp": True}, TokenInvalid),
        ({"exp": NOW_S - 11}, TokenExpired),
        ({"exp": 0}, TokenExpired),
        ({"nbf": NOW_S + 60}, TokenInvalid),
        ({"sub": None}, TokenInvalid),
        ({"sub": {"a": 1}}, TokenInvalid),
        ({"userId": "ben"}, TokenInvalid),
        ({"app": "shop"}, TokenInvalid),
        ({"app": "../main"}, TokenInvalid),
        ({"sid": ["s"]}, TokenInvalid),
        ({"scope": ["keys:write"]}, TokenInvalid),
    ],
)
def test_claims_that_are_wrong(claims: dict[str, Any], error: type[Exception]):
    with pytest.raises(error):
        tokens.verify(BOTH, signed(THEIRS | claims, kid="e"), now=NOW, keys=KEYS)


def test_tokens_of_one_are_not_taken_for_those_of_the_other():
    assert "not accepted" in refused(signed(THEIRS, kid="e"), OURS, None)
    assert "not accepted" in refused(signed(THEIRS, kid="e"), OURS, KEYS)
    refused(ours(), ALONE)
    refused(raw({"alg": "HS256", "typ": "at+jwt"}, THEIRS, hs256(b"")), ALONE)


def test_huge_and_broken_ones():
    for text in ("", ".", "..", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "\x00", "\ud800", "[" * 4000, "=" * 4096):
        refused(text)
    refused("a" * 1_000_000)
    refused(raw({"alg": "ES256", "kid": "e"}, {"sub": "x" * 3000}))
    deep = b64(b'{"a":' * 1000 + b"1" + b"}" * 1000)
    refused(f"{deep[:2000]}.{deep[:1000]}.")
    refused(f"{b64(b'[]')}.{b64(b'{}')}.")
    refused(f"{b64(b'{}')}.{b64(b'[]')}.")


GOOD = [signed(THEIRS, algorithm=algorithm, kid=kid) for algorithm, kid in KIDS.items()] + [ours()]
LETTERS = "ABCXYZabcxyz0189-_.=+/ "


def meaning(token: str) -> tuple[str, ...]:
    """What a token says byte by byte: the last letter of a part has bits that say nothing."""
    parts = token.split(".")
    return tuple(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).hex() for part in parts)


def mutated(rng: Random) -> tuple[str, str]:
    """A good token, and what becomes of it by a change somewhere."""
    good = rng.choice(GOOD)
    at = rng.randrange(len(good))
    match rng.choice(["replace", "delete", "insert", "cut", "swap", "double"]):
        case "replace":
            return good, good[:at] + rng.choice(LETTERS) + good[at + 1 :]
        case "delete":
            return good, good[:at] + good[at + rng.randint(1, 6) :]
        case "insert":
            return good, good[:at] + rng.choice(LETTERS) + good[at:]
        case "cut":
            return good, good[:at]
        case "swap":
            parts, others = good.split("."), rng.choice(GOOD).split(".")
            part = rng.randrange(3)
            return good, ".".join([*parts[:part], others[part], *parts[part + 1 :]])
        case _:
            return good, good[:at] + good[at:] * 2


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_ten_thousand_mutated_tokens_are_refused_and_none_raises_anything_else(rng: Random):
    for _ in range(50):
        good, other = mutated(rng)
        try:
            tokens.verify(BOTH, other, now=NOW, keys=KEYS)
        except (TokenInvalid, TokenExpired):
            continue
        assert meaning(other) == meaning(good)
