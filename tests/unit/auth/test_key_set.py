"""Key sets: which keys of an issuer are taken, which are passed over, and what is no key set."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from shared.auth.key_set import KEYS_MAX, NotAKeySet, parse
from tests.fixtures.other_issuer import key_set, private_key, public_jwk

GOOD = public_jwk("ES256", "good")


def test_keys_are_found_by_name_and_kind_and_those_without_a_name_by_kind():
    keys = parse(key_set(GOOD, public_jwk("RS256", "r"), public_jwk("EdDSA", None)))

    assert [key.kid for key in keys.candidates("good", "ES256")] == ["good"]
    assert [key.kid for key in keys.candidates(None, "ES256")] == ["good"]
    assert keys.candidates("r", "ES256") == []
    assert [key.kid for key in keys.candidates("any", "EdDSA")] == [None]
    assert len(keys.candidates("r", "RS512")) == 1


def weak() -> dict[str, Any]:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    return RSAAlgorithm.to_jwk(small.public_key(), as_dict=True)


@pytest.mark.parametrize(
    "other",
    [
        "text",
        None,
        {},
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": ["EC"], "crv": "P-256"},
        {"kty": "EC", "crv": {"a": 1}},
        {**GOOD, "use": "enc"},
        {**GOOD, "key_ops": ["encrypt"]},
        {**GOOD, "key_ops": "verify"},
        {**GOOD, "alg": "HS256"},
        {**GOOD, "alg": "RS256"},
        {**GOOD, "kid": 7},
        {**GOOD, "x": "AA"},
        {**GOOD, "x": None},
        {**GOOD, "d": "AA"},
        {"kty": "RSA", "n": "!!", "e": "AQAB"},
        weak(),
    ],
)
def test_what_is_not_for_us_is_passed_over(other: Any):
    assert [key.kid for key in parse(key_set(other, GOOD)).keys] == ["good"]
    with pytest.raises(NotAKeySet):
        parse(key_set(other))


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b"\xff", b"<html>", b"[" * 100_000],
)
def test_what_is_no_key_set(raw: bytes):
    with pytest.raises(NotAKeySet):
        parse(raw)


def test_a_set_is_bounded():
    with pytest.raises(NotAKeySet):
        parse(json.dumps({"keys": [GOOD] * (KEYS_MAX + 1)}).encode())


def test_a_private_key_does_not_print_itself():
    assert "object at" not in repr(parse(key_set(GOOD)))
    assert private_key("ES256") is private_key("ES256")
