"""The header Authorization to a Principal: an API key, or a user's token.

Rule U. A token is good until it ends or Redis knows something against it: its session was ended, its user disabled.
While Redis is away tokens count unasked, because they are short; an API key is never asked for there.
"""

from collections.abc import Callable
from typing import Final

from api.key_ring import KeyRing
from shared import logs
from shared.auth import api_keys
from shared.auth.principal import Principal
from shared.auth.tokens import TokenInvalid
from shared.errors import Unauthenticated
from shared.redis.client import RedisUnavailable
from shared.redis.revocations import Standing
from shared.verifier import VerifierSettings, verifier

log = logs.get(__name__)

_SCHEME: Final = "bearer "

Ask = Callable[[str, str, str | None], Standing]
"""What stands against a token of this app, user and session. Raises RedisUnavailable."""


class Authenticator:
    """Knows both kinds of credentials."""

    def __init__(
        self, settings: VerifierSettings, key_ring: KeyRing, *, now_ms: Callable[[], int], standing: Ask
    ) -> None:
        self._verifier = verifier(settings, now_ms)
        self._key_ring = key_ring
        self._standing = standing

    def identify(self, header: str | None) -> Principal:
        """Return whom the header names; keys of another issuer may be waited for.

        Raises Unauthenticated, DatabaseUnavailable for an unknown key, or IssuerUnavailable.
        """
        if not header:
            raise Unauthenticated
        if header[: len(_SCHEME)].lower() != _SCHEME:
            raise Unauthenticated("Send `Authorization: Bearer <API key or token>`.")
        credential = header[len(_SCHEME) :].strip()
        if api_keys.looks_like_key(credential):
            return self.key(credential)
        return self._unrevoked(self._verifier.check(credential))

    def key(self, credential: str) -> Principal:
        """Return whose API key this is. Raises as `identify`."""
        return self._key_ring.identify(credential)

    def _unrevoked(self, principal: Principal) -> Principal:
        """Pass whose token was not revoked. Raises TokenInvalid."""
        if principal.user is None:
            return principal
        try:
            standing = self._standing(principal.app, principal.user, principal.session)
        except RedisUnavailable as error:
            log.warning("revocations_unchecked", reason=error.message)
            return principal
        if not standing.allows(principal.issued_at):
            raise TokenInvalid("This token was revoked; sign in again.")
        return principal
