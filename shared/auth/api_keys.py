"""API keys: how one looks, how it is made, and how a presented one is compared with what is stored.

Rule P. The secret is 256 random bits, so a plain SHA-256 is enough: a slow hash protects guessable passwords, and
nobody guesses these. The id is in the key so that the row is found by its primary key, and the digest is compared
in constant time. Randomness comes in as an argument.
"""

import base64
import hashlib
import hmac
import re
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from shared.auth.principal import KEY_SCOPES, ScopeSplit, split_scopes

PREFIX: Final = "bh_"
"""Marks a key for people and for scanners that look for leaked secrets."""

ID_LENGTH: Final = 8
SECRET_BYTES: Final = 32
_ID_ALPHABET: Final = string.ascii_lowercase + string.digits
# 252 is the largest multiple of the 36 letters below 256: bytes above it would make some letters likelier.
_FAIR_BYTES: Final = 256 - 256 % len(_ID_ALPHABET)
_ID: Final = re.compile(r"[a-z0-9]{8}", re.ASCII)
_SHAPE: Final = re.compile(r"bh_([a-z0-9]{8})_([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: `secret` is shown once, `hash` is what is kept."""

    id: str
    hash: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key as a caller presents it: well-formed, not yet compared."""

    id: str
    hash: str


def make(random: Callable[[int], bytes]) -> NewKey:
    """Make a new key from `random(n)`, a source of n unpredictable bytes (`os.urandom`)."""
    key_id = _make_id(random)
    body = base64.urlsafe_b64encode(random(SECRET_BYTES)).rstrip(b"=").decode("ascii")
    secret = f"{PREFIX}{key_id}_{body}"
    return NewKey(id=key_id, hash=digest(secret), secret=secret)


def _make_id(random: Callable[[int], bytes]) -> str:
    letters: list[str] = []
    while len(letters) < ID_LENGTH:
        fair = (byte for byte in random(2 * ID_LENGTH) if byte < _FAIR_BYTES)
        letters.extend(_ID_ALPHABET[byte % len(_ID_ALPHABET)] for byte in fair)
    return "".join(letters[:ID_LENGTH])


def is_id(text: str) -> bool:
    """Say whether this can be the id of a key."""
    return _ID.fullmatch(text) is not None


def looks_like_key(credential: str) -> bool:
    """Say whether a bearer credential is meant as an API key, well-formed or not."""
    return credential.startswith(PREFIX)


def parse(credential: str) -> PresentedKey | None:
    """Read a presented key; None when it has not the shape of one."""
    match = _SHAPE.fullmatch(credential)
    return PresentedKey(id=match[1], hash=digest(credential)) if match else None


def digest(secret: str) -> str:
    """Return the SHA-256 of a whole key as 64 hexadecimal digits: the only form in which it is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(presented_hash: str, stored_hash: str) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(presented_hash, stored_hash)


def check_scopes(names: list[str]) -> ScopeSplit:
    """Sort the scopes asked for a new key into those a key can hold and all others."""
    return split_scopes(names, allowed=KEY_SCOPES)
