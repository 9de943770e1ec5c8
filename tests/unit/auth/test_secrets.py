"""Secrets that are presented once, the seal on what follows one, and the cookies that carry them."""

import os

import pytest

from shared.auth import cookies, secrets
from shared.auth.secrets import REFRESH


def test_a_secret_has_its_prefix_and_256_bits():
    made = {secrets.make(REFRESH, os.urandom) for _ in range(100)}

    assert len(made) == 100
    assert all(len(one) == len(REFRESH) + 43 and one.startswith(REFRESH) for one in made)
    assert len(secrets.digest("br_x")) == 64


def test_only_who_has_the_token_before_reads_its_successor():
    before, after, other = (secrets.make(REFRESH, os.urandom) for _ in range(3))
    sealed = secrets.seal(after, before, os.urandom)

    assert secrets.unseal(sealed, before) == after
    assert after.encode() not in sealed
    assert secrets.unseal(sealed, other) is None
    assert secrets.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), before) is None
    assert secrets.unseal(b"", before) is None


def test_a_cookie_is_written_with_the_prefix_only_where_it_is_secure():
    secure, plain = cookies.names(secure=True), cookies.names(secure=False)

    assert cookies.write(secure.refresh, "v", seconds=60, secure=True) == (
        "__Host-bellhop_refresh=v; Max-Age=60; Path=/; HttpOnly; Secure; SameSite=Strict"
    )
    assert cookies.write(plain.access, "", seconds=0, secure=False) == (
        "bellhop_access=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict"
    )


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (None, None),
        ("", None),
        ("a=1", None),
        ("bellhop_refresh=x", "x"),
        ("a=1; bellhop_refresh=x=y ;b=2", "x=y"),
        ("bellhop_refresh=", None),
        ("bellhop_refresh=x; bellhop_refresh=y", None),
        ("__Host-bellhop_refresh=x", None),
        ("bellhop_refresh", None),
    ],
)
def test_one_cookie_is_read_and_of_two_none(header, value):
    assert cookies.read(header, "bellhop_refresh") == value
