"""shared.auth.api_keys and principal: the shape of a key, and what a caller may do."""

import itertools
import os

import pytest

from shared.auth import api_keys
from shared.auth.principal import KEY_SCOPES, SCOPES, USER_SCOPES, key_principal, user_principal


def counting(start: int = 0):
    numbers = itertools.count(start)
    return lambda n: bytes(next(numbers) % 256 for _ in range(n))


def test_a_key_is_its_id_and_256_random_bits():
    made = api_keys.make(counting())

    assert made.secret == "bh_abcdefgh_EBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8"
    assert made.id == "abcdefgh"
    assert made.hash == api_keys.digest(made.secret)
    assert len(made.hash) == 64


def test_the_secret_is_not_in_the_text_of_a_new_key():
    made = api_keys.make(os.urandom)

    assert made.secret not in repr(made)


def test_random_bytes_that_would_favour_some_letters_are_left_out():
    made = api_keys.make(counting(250))

    assert made.id[:3] == "89a"  # 250 and 251, then 252..255 skipped, then 0


def test_a_presented_key_is_read_and_compared():
    made = api_keys.make(os.urandom)

    presented = api_keys.parse(made.secret)

    assert presented is not None
    assert presented.id == made.id
    assert api_keys.matches(presented.hash, made.hash)
    assert not api_keys.matches(presented.hash, api_keys.digest("bh_other"))


@pytest.mark.parametrize(
    "credential",
    ["", "bh_", "bh_abcdefgh_short", "bh_ABCDEFGH_" + "a" * 43, "bh_abcdefgh_" + "a" * 44, "bh_abcdefgh_" + "é" * 43,
     "xx_abcdefgh_" + "a" * 43, "bh_abcdefgh_" + "a" * 43 + "\n"],
)  # fmt: skip
def test_what_has_not_the_shape_of_a_key_is_none(credential):
    assert api_keys.parse(credential) is None


def test_scopes_of_users_cannot_be_given_to_a_key():
    split = api_keys.check_scopes(["notifications:write", "inbox:read", "no:such"])

    assert split.known == {"notifications:write"}
    assert split.unknown == ("inbox:read", "no:such")


def test_a_key_has_its_scopes_and_nothing_of_a_user():
    who = key_principal(
        app="main", key="abcdefgh", scopes=["users:read", "inbox:read", "gone"], expires_at=None
    )

    assert who.may("users:read")
    assert not who.may("users:write")
    assert not who.may("inbox:read")
    assert (who.sender, who.user) == ("key:abcdefgh", None)


def test_a_user_always_has_the_inbox():
    who = user_principal(app="main", user="ana", scopes=[], expires_at=5)

    assert who.scopes == USER_SCOPES


def test_every_scope_belongs_to_users_or_to_keys():
    assert frozenset(SCOPES) == KEY_SCOPES | USER_SCOPES
    assert not KEY_SCOPES & USER_SCOPES
