"""Passwords: one hash for each, nobody's takes as long as anybody's, and which may be chosen."""

import itertools

import argon2
import pytest

from shared.auth import passwords
from shared.auth.passwords import Passwords

WORD = "correct horse battery"


def _random():
    numbers = itertools.count(1)
    return lambda n: next(numbers).to_bytes(n, "big")


def _passwords(**changes):
    return Passwords(**{"memory": 64, "time": 1, "lanes": 1, "random": _random(), **changes})


def test_a_password_matches_its_hash_and_no_other_does():
    book = _passwords()
    stored = book.hash(WORD)

    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert WORD not in stored
    assert book.hash(WORD) != stored
    assert [book.matches(word, stored) for word in (WORD, WORD + " ", "", "ü" * 300)] == [
        True,
        False,
        False,
        False,
    ]
    assert not book.matches(WORD, "no hash")


def test_the_same_letters_match_however_they_are_composed():
    book = _passwords()

    assert book.matches("pa\u0308sswo\u0308rter", book.hash("p\u00e4ssw\u00f6rter"))


def test_nobodys_hash_is_compared_with_the_same_work_and_never_matches(monkeypatch):
    """The control of D28: who leaves it out is seen here, by the work that is not done."""
    book, work = _passwords(), []
    real = argon2.PasswordHasher.verify

    def verify(self, stored, password):
        work.append(argon2.extract_parameters(stored))
        return real(self, stored, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", verify)
    stored = book.hash(WORD)
    book.matches("wrong", stored)
    assert not book.matches("wrong", None)

    assert len(work) == 2
    assert work[0] == work[1]


def test_a_hash_of_other_parameters_is_old():
    stored = _passwords().hash(WORD)

    assert not _passwords().is_old(stored)
    assert _passwords(time=2).is_old(stored)
    assert _passwords(time=2).matches(WORD, stored)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("1234567", "At least 8 characters."),
        ("12345678", None),
        ("o\u0308" * 4, "At least 8 characters."),
        ("\u20ac" * 1365, None),
        ("\u20ac" * 1366, "At most 4096 bytes."),
        ("Ana Maria", "Must not be the username."),
    ],
)
def test_which_passwords_may_be_chosen(password, said):
    assert passwords.problem(password, username="ana maria", least=8) == said
