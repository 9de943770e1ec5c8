"""Passwords: hashed with argon2id (RFC 9106), and which may be chosen. The one file that knows argon2.

Rule P: salt comes in as an argument. Each call takes `memory` KiB and some 30 ms of a core without the GIL, so whoever
calls bounds how many run at once, and runs them beside its event loop.
"""

import unicodedata
from collections.abc import Callable
from typing import Final

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
BYTES_MAX: Final = 4096
"""A longer password is refused: what 1,024 characters take at most."""


class Passwords:
    """Hashes under the parameters of the settings; `memory` is in KiB."""

    def __init__(self, *, memory: int, time: int, lanes: int, random: Callable[[int], bytes]) -> None:
        self._hasher = argon2.PasswordHasher(
            time_cost=time, memory_cost=memory, parallelism=lanes, hash_len=HASH_BYTES, salt_len=SALT_BYTES
        )
        self._random = random
        self._nobodys: str | None = None

    def hash(self, password: str) -> str:
        """Return what is stored: algorithm, parameters, salt and hash."""
        return self._hasher.hash(_bytes(password), salt=self._random(SALT_BYTES))

    def matches(self, password: str, stored: str | None) -> bool:
        """Compare with what is stored; None stands for nobody, who takes as long as anybody and never matches."""
        if stored is None:
            self._compare(password, self._nobody())
            return False
        return self._compare(password, stored)

    def is_old(self, stored: str) -> bool:
        """Say whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _nobody(self) -> str:
        """A hash under the present parameters, of what nobody knows; made once."""
        if self._nobodys is None:
            self._nobodys = self._hasher.hash(self._random(HASH_BYTES), salt=self._random(SALT_BYTES))
        return self._nobodys

    def prepare(self) -> None:
        """Make nobody's hash now: the first unknown name must not take twice as long."""
        self._nobody()

    def _compare(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False


def problem(password: str, *, username: str, least: int) -> str | None:
    """Say why a password may not be chosen (NIST SP 800-63B section 3.1.1.2); `least` is in characters."""
    if len(_normal(password)) < least:
        return f"At least {least} characters."
    if len(_bytes(password)) > BYTES_MAX:
        return f"At most {BYTES_MAX} bytes."
    if _normal(password).casefold() == _normal(username).casefold():
        return "Must not be the username."
    return None


def _normal(text: str) -> str:
    """The same letters however a keyboard composes them."""
    return unicodedata.normalize("NFC", text)


def _bytes(password: str) -> bytes:
    return _normal(password).encode(errors="surrogatepass")
