"""Users' tokens: JSON Web Tokens signed with HS256, made and checked here and nowhere else.

Rule P, the one file that knows PyJWT. The algorithm is a constant and never taken from a token; `kid` only chooses
among our own secrets; time comes in as an argument, so PyJWT's own clock checks are off and repeated here.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Protocol

import jwt

from shared.auth.principal import Principal, user_principal
from shared.errors import Unauthenticated

ALGORITHM: Final = "HS256"
MAIN_APP: Final = "main"
TOKEN_MAX: Final = 4096
"""Longer credentials are refused before any work is done on them."""

USER_MAX: Final = 128
_APP: Final = re.compile(r"[a-z0-9_-]{1,40}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_JWT: Final = jwt.PyJWT(options={"enforce_minimum_key_length": True})
# Before this many milliseconds it was 1973: a smaller `now` is surely meant in seconds and would accept old tokens.
_EARLIEST_MS: Final = 100_000_000_000
# The largest exp that still is a time (year 9999); beyond it dates overflow elsewhere.
_LATEST_S: Final = 253_402_300_799


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


class TokenInvalid(Unauthenticated):
    """The token cannot be accepted, and would not be later: get another one by signing in."""

    code, title = "token_invalid", "This token is not valid."


class TokenExpired(Unauthenticated):
    """The token was good and is over: renew it and come back."""

    code, title = "token_expired", "This token has expired."


def issue(
    settings: TokenSettings, *, user: str, app: str, ttl: float, now: int, scopes: Iterable[str] = ()
) -> str:
    """Sign a token for `user` of `app` that lives `ttl` seconds from `now` (epoch milliseconds)."""
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
    expires_at = _check_times(claims, now_s=now / 1000, leeway=settings.jwt_leeway)
    return user_principal(
        app=_app_of(claims, _apps(settings.jwt_apps)),
        user=_user_of(claims),
        scopes=_scopes_of(claims),
        expires_at=expires_at * 1000,
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


def _check_times(claims: dict[str, Any], *, now_s: float, leeway: float) -> int:
    """Check exp and nbf; return exp in whole seconds."""
    expires = _numeric_date(claims, "exp")
    if expires is None:
        raise TokenInvalid("The token lacks the claim exp.")
    if expires <= now_s - leeway:
        raise TokenExpired
    not_before = _numeric_date(claims, "nbf")
    if not_before is not None and not_before > now_s + leeway:
        raise TokenInvalid("The token is not valid yet.")
    return int(expires)


def _numeric_date(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LATEST_S:
        raise TokenInvalid(f"The claim {name} is not a time.")
    return value


def _user_of(claims: dict[str, Any]) -> str:
    """Read the user from `sub` or `userId`; two that differ name nobody."""
    named = [_user_text(claims[claim], claim) for claim in ("sub", "userId") if claims.get(claim) is not None]
    if not named:
        raise TokenInvalid("The token names no user (sub).")
    if len(set(named)) > 1:
        raise TokenInvalid("The claims sub and userId name different users.")
    return named[0]


def _user_text(value: Any, claim: str) -> str:
    # A bool is an int to Python but not to the caller.
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.strip() or len(text) > USER_MAX or _CONTROL.search(text):
        raise TokenInvalid(f"The claim {claim} is not a user id.")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise TokenInvalid(f"The claim {claim} is not a user id.")
    return text


def _app_of(claims: dict[str, Any], allowed: frozenset[str]) -> str:
    app = claims.get("app", MAIN_APP)
    if not isinstance(app, str) or not _APP.fullmatch(app):
        raise TokenInvalid("The claim app is not an app name.")
    if app not in allowed:
        raise TokenInvalid("The token is for an app that it may not name here.")
    return app


def _scopes_of(claims: dict[str, Any]) -> tuple[str, ...]:
    """Read `scope`, words separated by spaces (RFC 8693 section 4.2)."""
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        raise TokenInvalid("The claim scope is not a text.")
    return tuple(scope.split())
