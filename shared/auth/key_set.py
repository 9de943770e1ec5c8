"""The public keys of another issuer: a JSON Web Key Set (RFC 7517) read strictly, and which key may check which token.

Rule P. What kind of key an algorithm takes stands in our table, so that a public key never is a secret and no key
serves an algorithm it was not made for (RFC 8725 sections 3.1 and 3.2). Keys that are not for us are passed over.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

from shared.auth.algorithms import ALGORITHMS

KEYS_MAX: Final = 50
RSA_BITS: Final = 2048
_PRIVATE: Final = ("d", "k")


class NotAKeySet(ValueError):
    """The text is no JSON Web Key Set, or holds no key that could be used."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key. `algorithm` None: any that takes its kind."""

    kid: str | None
    kind: tuple[str, str | None]
    algorithm: str | None
    public: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """All keys of an issuer; none yet, to begin with."""

    keys: tuple[Key, ...] = ()

    def candidates(self, kid: str | None, algorithm: str) -> list[Key]:
        """The keys worth trying on a token that names this key and this algorithm, one of ALGORITHMS."""
        return [
            key
            for key in self.keys
            if key.kind == ALGORITHMS[algorithm]
            and key.algorithm in (None, algorithm)
            and (kid is None or key.kid in (None, kid))
        ]


def parse(raw: bytes) -> KeySet:
    """Read a key set. Raises NotAKeySet."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise NotAKeySet("not JSON") from None
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise NotAKeySet(f"not an object with `keys`, a list of at most {KEYS_MAX}")
    keys = tuple(key for one in listed if (key := _key(one)) is not None)
    if not keys:
        raise NotAKeySet("no key for signatures that are accepted")
    return KeySet(keys)


def _key(given: Any) -> Key | None:
    """One key; None for what is secret, not for signatures, of a kind we do not take, or weak."""
    if not isinstance(given, dict) or any(name in given for name in _PRIVATE):
        return None
    kid, algorithm = given.get("kid"), given.get("alg")
    kind = (given.get("kty"), given.get("crv") if given.get("kty") != "RSA" else None)
    fits = [name for name, wanted in ALGORITHMS.items() if wanted == kind]
    if not fits or algorithm not in (None, *fits) or not (kid is None or isinstance(kid, str)):
        return None
    operations = given.get("key_ops", ["verify"])
    if given.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        public = jwt.PyJWK(given, algorithm=fits[0]).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if kind[0] == "RSA" and public.key_size < RSA_BITS:
        return None
    return Key(kid, ALGORITHMS[fits[0]], algorithm, public)
