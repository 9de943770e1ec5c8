"""Secrets that somebody presents once: refresh tokens and tickets; and the seal on a refresh token's successor.

Rule P: randomness comes in. 256 random bits need no slow hash (see shared.auth.api_keys): their SHA-256 is kept.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

REFRESH: Final = "br_"
TICKET: Final = "bt_"
"""Mark them for people and for scanners that look for leaked secrets."""

SECRET_BYTES: Final = 32
SECRET_MAX: Final = 200
"""Longer than any of ours."""

_NONCE: Final = 12
_PURPOSE: Final = b"bellhop refresh successor 1"
Random = Callable[[int], bytes]


def make(prefix: str, random: Random) -> str:
    """Make a secret of 256 bits from `random(n)`, a source of n unpredictable bytes (`os.urandom`)."""
    body = base64.urlsafe_b64encode(random(SECRET_BYTES)).rstrip(b"=").decode("ascii")
    return f"{prefix}{body}"


def digest(secret: str) -> str:
    """Return the SHA-256 as 64 hexadecimal digits: the only form in which a secret is stored."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def seal(successor: str, presented: str, random: Random) -> bytes:
    """Encrypt a successor so that only who has the token before it can read it (AES-256-GCM, key by HKDF, RFC 5869)."""
    nonce = random(_NONCE)
    return nonce + AESGCM(_key(presented)).encrypt(nonce, successor.encode(), digest(presented).encode())


def unseal(sealed: bytes, presented: str) -> str | None:
    """Read what `seal` wrote; None if it was sealed for another token, or is damaged."""
    try:
        return (
            AESGCM(_key(presented))
            .decrypt(sealed[:_NONCE], sealed[_NONCE:], digest(presented).encode())
            .decode()
        )
    except (InvalidTag, ValueError):
        return None


def _key(presented: str) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE)
    return kdf.derive(presented.encode(errors="surrogatepass"))
