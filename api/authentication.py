"""The header Authorization to a Principal: an API key, or a user's token.

Rule U.
"""

from collections.abc import Callable
from typing import Final

from api.key_ring import KeyRing
from shared.auth import api_keys, tokens
from shared.auth.principal import Principal
from shared.errors import Unauthenticated

_SCHEME: Final = "bearer "


class Authenticator:
    """Knows both kinds of credentials."""

    def __init__(
        self, settings: tokens.TokenSettings, key_ring: KeyRing, *, now_ms: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._key_ring = key_ring
        self._now_ms = now_ms

    def identify(self, header: str | None) -> Principal:
        """Return whom the header names. Raises Unauthenticated, or DatabaseUnavailable for an unknown key."""
        if not header:
            raise Unauthenticated
        if header[: len(_SCHEME)].lower() != _SCHEME:
            raise Unauthenticated("Send `Authorization: Bearer <API key or token>`.")
        credential = header[len(_SCHEME) :].strip()
        if api_keys.looks_like_key(credential):
            return self.key(credential)
        return tokens.verify(self._settings, credential, now=self._now_ms())

    def key(self, credential: str) -> Principal:
        """Return whose API key this is. Raises as `identify`."""
        return self._key_ring.identify(credential)
