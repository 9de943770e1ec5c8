"""Tokens checked with what is known now, or with keys of the other issuer that have to be fetched first.

Rule S. Joins shared.auth.tokens, which decides, with shared.issuer, which fetches.
"""

from collections.abc import Callable
from typing import Protocol

from shared.auth.principal import Principal
from shared.auth.signatures import KeyUnknown
from shared.auth.tokens import TokenSettings, verify
from shared.issuer import Issuer, IssuerUnavailable


class VerifierSettings(TokenSettings, Protocol):
    """The settings that a verifier needs."""

    @property
    def issuer_jwks(self) -> str:
        """Where the keys of the other issuer are: an address or a path."""
        ...


class Verifier:
    """Says whom a token names; without an `issuer` only our own tokens name anybody."""

    def __init__(self, settings: TokenSettings, issuer: Issuer | None, *, now_ms: Callable[[], int]) -> None:
        self._settings = settings
        self._issuer = issuer
        self._now_ms = now_ms

    def start(self) -> None:
        """Begin to fetch keys, so that the first token need not wait for them."""
        if self._issuer is not None:
            self._issuer.look_again(wait=0)

    def at_once(self, token: str) -> Principal:
        """Check a token without waiting. Raises Unauthenticated, or IssuerUnavailable.

        KeyUnknown is raised where `check` may know better, after a while.
        """
        keys = None if self._issuer is None else self._issuer.keys()
        return verify(self._settings, token, now=self._now_ms(), keys=keys)

    @property
    def may_know_more(self) -> bool:
        """Whether it is worth to wait for what at_once does not know."""
        return self._issuer is not None and self._issuer.may_know_more

    def check(self, token: str) -> Principal:
        """Check a token; may wait for keys, a few seconds. Raises Unauthenticated, or IssuerUnavailable."""
        try:
            return self.at_once(token)
        except KeyUnknown:
            if self._issuer is None or not self._issuer.look_again():
                raise self.unknown() from None
        try:
            return self.at_once(token)
        except KeyUnknown:
            raise self.unknown() from None

    def unknown(self) -> KeyUnknown | IssuerUnavailable:
        """What to say of a key that is not known: that it is wrong, or that we know none to compare with."""
        if self._issuer is not None and not self._issuer.known:
            return IssuerUnavailable(retry_after=2)
        return KeyUnknown("The token was signed with an unknown key.")


def verifier(settings: VerifierSettings, now_ms: Callable[[], int]) -> Verifier:
    """The verifier of these settings."""
    issuer = Issuer(settings.issuer_jwks) if settings.issuer and settings.issuer_jwks else None
    return Verifier(settings, issuer, now_ms=now_ms)
