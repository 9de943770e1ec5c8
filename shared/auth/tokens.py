"""Users' tokens: JSON Web Tokens signed with HS256, made and checked here and nowhere else.

Rule P, the one file that knows PyJWT. The algorithm is a constant and never taken from a token; `kid` only chooses
among our own secrets; time comes in as an argument, so PyJWT's own clock checks are off and repeated here.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Protocol

import jwt

from shared.auth import claims as claims_of
from shared.auth.claims import MAIN_APP, TokenExpired, TokenInvalid
from shared.auth.principal import Principal, user_principal

__all__ = ["MAIN_APP", "TokenExpired", "TokenInvalid", "issue", "verify"]

ALGORITHM: Final = "HS256"
TOKEN_MAX: Final = 4096
"""Longer credentials are refused before any work is done on them."""

_JWT: Final = jwt.PyJWT(options={"enforce_minimum_key_length": True})
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
    def jwt_apps(self) -> str | Iterable[str]:
        """Apps that a token may name: a list, or names separated by commas."""
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
    `session`, if it names one."""
    _check_now(now)
    keys = _keys(settings.jwt_secrets.get_secret_value())
    if not keys:
        raise ValueError("no secret to sign with: jwt_secrets is empty")
    kid, secret = next(iter(keys.items()))
    claims: dict[str, Any] = {"sub": user, "app": app, "iat": now // 1000, "exp": int(now / 1000 + ttl)}
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    if session is not None:
        claims["sid"] = session
    if granted := " ".join(sorted(set(scopes))):
        claims["scope"] = granted
    headers = {"kid": kid, "typ": settings.jwt_type or "JWT"}
    return _JWT.encode(claims, secret, algorithm=ALGORITHM, headers=headers)


def verify(settings: TokenSettings, token: str, *, now: int) -> Principal:
    """Check `token` at `now` (epoch milliseconds) and return whom it names; TokenInvalid or TokenExpired otherwise."""
    _check_now(now)
    if len(token) > TOKEN_MAX:
        raise TokenInvalid("The token is too long.")
    claims = _decode(settings, token)
    expires_at = claims_of.check_times(claims, now_s=now / 1000, leeway=settings.jwt_leeway)
    return user_principal(
        app=claims_of.app_of(claims, _apps(settings.jwt_apps)),
        user=claims_of.user_of(claims),
        scopes=(*claims_of.scopes_of(claims), *settings.user_scopes),
        expires_at=expires_at * 1000,
        session=claims_of.session_of(claims),
        issued_at=claims_of.issued_at(claims),
    )


def _decode(settings: TokenSettings, token: str) -> dict[str, Any]:
    """Check the signature and the fixed claims; no other exception than ours leaves this function."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenInvalid("The token is not a JSON Web Token.") from None
    _check_type(header, settings.jwt_type)
    failure = TokenInvalid("The token was signed with an unknown key.")
    for secret in _candidates(header, _keys(settings.jwt_secrets.get_secret_value())):
        try:
            return _decode_with(secret, settings, token)
        except jwt.InvalidSignatureError:
            failure = TokenInvalid("The token's signature is wrong.")
        except jwt.MissingRequiredClaimError as missing:
            raise TokenInvalid(f"The token lacks the claim {missing.claim}.") from None
        except jwt.InvalidIssuerError:
            raise TokenInvalid("The token comes from another issuer.") from None
        except jwt.InvalidAudienceError:
            raise TokenInvalid("The token is meant for another audience.") from None
        except jwt.InvalidKeyError:
            raise TokenInvalid("The key named by kid is too short to be used.") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise TokenInvalid("The token is malformed.") from None
    raise failure


def _decode_with(secret: str, settings: TokenSettings, token: str) -> dict[str, Any]:
    claims: dict[str, Any] = _JWT.decode(
        token,
        secret,
        algorithms=[ALGORITHM],
        issuer=settings.jwt_issuer or None,
        audience=settings.jwt_audience or None,
        options={
            "require": ["exp"],
            "verify_aud": bool(settings.jwt_audience),
            "verify_iss": bool(settings.jwt_issuer),
            # Times are checked against our own clock, the subject by our own rule (a number is accepted).
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "verify_sub": False,
            "verify_jti": False,
        },
    )
    return claims


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
