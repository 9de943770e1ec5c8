"""Users' tokens: our own JSON Web Tokens, signed with HS256, made and checked; those of another issuer checked.

Rule P. A token's header chooses among our secrets and the issuer's public keys, never how one of them is used: an
algorithm belongs to one or the other by our own table. Time comes in as an argument.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Protocol

from shared.auth import claims as claims_of
from shared.auth import signatures
from shared.auth.algorithms import ALGORITHMS
from shared.auth.claims import MAIN_APP, TokenExpired, TokenInvalid
from shared.auth.key_set import KeySet
from shared.auth.principal import Principal, user_principal
from shared.auth.signatures import Demands, KeyUnknown, WrongSignature

__all__ = ["MAIN_APP", "TokenExpired", "TokenInvalid", "issue", "verify"]

ALGORITHM: Final = "HS256"
TOKEN_MAX: Final = 4096
"""Longer credentials are refused before any work is done on them."""

# Before this many milliseconds it was 1973: a smaller `now` is surely meant in seconds and would accept old tokens.
_EARLIEST_MS: Final = 100_000_000_000


class Secret(Protocol):
    """A text that does not print itself; pydantic's SecretStr is one."""

    def get_secret_value(self) -> str:
        """Return the text itself."""
        ...


class TokenSettings(Protocol):
    """The settings that tokens need; shared.config.Settings has them."""

    @property
    def jwt_secrets(self) -> Secret:
        """One or two `kid:secret` pairs, comma separated; the first signs."""
        ...

    @property
    def jwt_issuer(self) -> str | None:
        """The `iss` to demand, or nothing."""
        ...

    @property
    def jwt_audience(self) -> str | None:
        """The `aud` to demand, or nothing."""
        ...

    @property
    def jwt_type(self) -> str | None:
        """The header's `typ` to demand, or nothing."""
        ...

    @property
    def jwt_leeway(self) -> float:
        """Seconds by which clocks may differ."""
        ...

    @property
    def token_life_max(self) -> float:
        """Seconds that a token may live at most: so long a revocation is remembered."""
        ...

    @property
    def jwt_apps(self) -> str | Iterable[str]:
        """Apps that a token may name: a list, or names separated by commas."""
        ...

    @property
    def issuer(self) -> str:
        """The `iss` of the other issuer; empty if there is none."""
        ...

    @property
    def issuer_audience(self) -> str:
        """The `aud` that its tokens must carry, or nothing."""
        ...

    @property
    def issuer_algorithms(self) -> Iterable[str]:
        """What its tokens may be signed with, of shared.auth.algorithms.ALGORITHMS."""
        ...

    @property
    def issuer_apps(self) -> Iterable[str]:
        """Apps that its tokens may name."""
        ...

    @property
    def user_scopes(self) -> Iterable[str]:
        """Scopes that every user's token has besides those it names."""
        ...


def issue(  # noqa: PLR0913  # each is a claim
    settings: TokenSettings,
    *,
    user: str,
    app: str,
    ttl: float,
    now: int,
    scopes: Iterable[str] = (),
    session: str | None = None,
) -> str:
    """Sign a token for `user` of `app` that lives `ttl` seconds from `now` (epoch milliseconds); it ends with its
    `session`, if it names one.

    `iat` has milliseconds (RFC 7519 section 2: a NumericDate may be no whole number), so that a token that is made in
    the second of a revocation is known to be older or newer. Raises ValueError for a life that nobody would accept.
    """
    _check_now(now)
    if ttl > settings.token_life_max:
        raise ValueError(f"a token lives {settings.token_life_max:.0f} seconds at most")
    keys = _keys(settings.jwt_secrets.get_secret_value())
    if not keys:
        raise ValueError("no secret to sign with: jwt_secrets is empty")
    kid, secret = next(iter(keys.items()))
    issued = now / 1000 if now % 1000 else now // 1000
    claims: dict[str, Any] = {"sub": user, "app": app, "iat": issued, "exp": int(now / 1000 + ttl)}
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    if session is not None:
        claims["sid"] = session
    if granted := " ".join(sorted(set(scopes))):
        claims["scope"] = granted
    headers = {"kid": kid, "typ": settings.jwt_type or "JWT"}
    return signatures.sign(claims, secret, algorithm=ALGORITHM, headers=headers)


def verify(settings: TokenSettings, token: str, *, now: int, keys: KeySet | None = None) -> Principal:
    """Check `token` at `now` (epoch milliseconds) and return whom it names; TokenInvalid or TokenExpired otherwise.

    `keys` are those of the other issuer, whose tokens are accepted if there is one. A token that was signed with a key
    that is not among them raises KeyUnknown.
    """
    _check_now(now)
    if len(token) > TOKEN_MAX:
        raise TokenInvalid("The token is too long.")
    header = signatures.header_of(token)
    algorithm = header.get("alg")
    if algorithm == ALGORITHM:
        claims, apps = _ours(settings, header, token), _apps(settings.jwt_apps)
    elif keys is not None and _is_theirs(settings, algorithm):
        claims, apps = _theirs(settings, header, token, keys), frozenset(settings.issuer_apps)
    else:
        raise TokenInvalid("The token is signed in a way that is not accepted here.")
    expires_at = claims_of.check_times(
        claims, now_s=now / 1000, leeway=settings.jwt_leeway, life_max=settings.token_life_max
    )
    return user_principal(
        app=claims_of.app_of(claims, apps),
        user=claims_of.user_of(claims),
        scopes=(*claims_of.scopes_of(claims), *settings.user_scopes),
        expires_at=expires_at * 1000,
        session=claims_of.session_of(claims),
        issued_at=claims_of.issued_at(claims),
    )


def _is_theirs(settings: TokenSettings, algorithm: Any) -> bool:
    named = isinstance(algorithm, str) and algorithm in ALGORITHMS
    return named and algorithm in settings.issuer_algorithms and bool(settings.issuer)


def _ours(settings: TokenSettings, header: dict[str, Any], token: str) -> dict[str, Any]:
    """Check a token of our own; no other exception than ours leaves this function."""
    _check_type(header, settings.jwt_type)
    demands = Demands(settings.jwt_issuer or None, settings.jwt_audience or None)
    failure = TokenInvalid("The token was signed with an unknown key.")
    for secret in _candidates(header, _keys(settings.jwt_secrets.get_secret_value())):
        try:
            return signatures.claims_of(token, secret, algorithm=ALGORITHM, demands=demands)
        except WrongSignature as wrong:
            failure = wrong
    raise failure


def _theirs(settings: TokenSettings, header: dict[str, Any], token: str, keys: KeySet) -> dict[str, Any]:
    """Check a token of the other issuer; no other exception than ours leaves this function."""
    kid, algorithm = header.get("kid"), header["alg"]
    if not (kid is None or isinstance(kid, str)):
        raise TokenInvalid("The token's kid is not a text.")
    demands = Demands(settings.issuer, settings.issuer_audience or None)
    for key in keys.candidates(kid, algorithm):
        try:
            return signatures.claims_of(token, key.public, algorithm=algorithm, demands=demands)
        except WrongSignature:
            if key.kid is not None and kid is not None:
                raise
            # Without names on both sides another key may be meant, or one that came since.
    raise KeyUnknown("The token was signed with an unknown key.")


def _check_now(now: int) -> None:
    if now < _EARLIEST_MS:
        raise ValueError("now is meant in milliseconds")


@lru_cache(maxsize=8)
def _keys(pairs: str) -> dict[str, str]:
    """Read `kid:secret[,kid:secret]`; the settings have refused anything else before."""
    found: dict[str, str] = {}
    for pair in filter(None, map(str.strip, pairs.split(","))):
        kid, _, secret = pair.partition(":")
        found[kid] = secret
    return found


@lru_cache(maxsize=8)
def _names(listed: str) -> frozenset[str]:
    return frozenset(name.strip() for name in listed.split(",") if name.strip())


def _apps(listed: str | Iterable[str]) -> frozenset[str]:
    return _names(listed) if isinstance(listed, str) else frozenset(listed)


def _candidates(header: dict[str, Any], keys: dict[str, str]) -> list[str]:
    """Return the secrets worth trying: the one `kid` names, or each of ours when another issuer set no `kid`."""
    kid = header.get("kid")
    if kid is None:
        return list(keys.values())
    return [keys[kid]] if isinstance(kid, str) and kid in keys else []


def _check_type(header: dict[str, Any], wanted: str | None) -> None:
    if not wanted:
        return
    found = header.get("typ")
    # RFC 7515 section 4.1.9: letter case does not matter and "application/" may be left out.
    if not isinstance(found, str) or _bare_type(found) != _bare_type(wanted):
        raise TokenInvalid("The token is of another type.")


def _bare_type(name: str) -> str:
    return name.lower().removeprefix("application/")
