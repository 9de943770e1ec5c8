"""What the claims of a token say: times, user, app, scopes, session. Checked one by one, whoever signed it.

Rule P. A value of the wrong kind is refused and never guessed at, except that a number is a user's name as text.
"""

import re
from typing import Any, Final

from shared.errors import Unauthenticated

MAIN_APP: Final = "main"
USER_MAX: Final = 128
SESSION_MAX: Final = 64
_APP: Final = re.compile(r"[a-z0-9_-]{1,40}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# The largest exp that still is a time (year 9999); beyond it dates overflow elsewhere.
_LATEST_S: Final = 253_402_300_799


class TokenInvalid(Unauthenticated):
    """The token cannot be accepted, and would not be later: get another one by signing in."""

    code, title = "token_invalid", "This token is not valid."


class TokenExpired(Unauthenticated):
    """The token was good and is over: renew it and come back."""

    code, title = "token_expired", "This token has expired."


def check_times(claims: dict[str, Any], *, now_s: float, leeway: float, life_max: float) -> int:
    """Check exp, nbf and iat; return exp in whole seconds.

    A token must not outlive what is known against it: it lives `life_max` seconds at most from its iat, or without one
    from now, and its iat is not to come.
    """
    expires = _numeric_date(claims, "exp")
    if expires is None:
        raise TokenInvalid("The token lacks the claim exp.")
    if expires <= now_s - leeway:
        raise TokenExpired
    not_before = _numeric_date(claims, "nbf")
    if not_before is not None and not_before > now_s + leeway:
        raise TokenInvalid("The token is not valid yet.")
    issued = _numeric_date(claims, "iat")
    if issued is not None and issued > now_s + leeway:
        raise TokenInvalid("The token was issued at a time that is still to come.")
    if expires - (now_s if issued is None else issued) > life_max:
        raise TokenInvalid("The token lives longer than is accepted here.")
    return int(expires)


def _numeric_date(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LATEST_S:
        raise TokenInvalid(f"The claim {name} is not a time.")
    return value


def user_of(claims: dict[str, Any]) -> str:
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


def app_of(claims: dict[str, Any], allowed: frozenset[str]) -> str:
    """Read `app`, one of those that this issuer may name; without it `main`."""
    app = claims.get("app", MAIN_APP)
    if not isinstance(app, str) or not _APP.fullmatch(app):
        raise TokenInvalid("The claim app is not an app name.")
    if app not in allowed:
        raise TokenInvalid("The token is for an app that it may not name here.")
    return app


def session_of(claims: dict[str, Any]) -> str | None:
    """Read `sid` (OpenID Connect Front-Channel Logout 1.0 section 3)."""
    session = claims.get("sid")
    if session is None:
        return None
    if not isinstance(session, str) or not 0 < len(session) <= SESSION_MAX or not session.isprintable():
        raise TokenInvalid("The claim sid is not a session.")
    return session


def issued_at(claims: dict[str, Any]) -> int | None:
    """Read `iat` as epoch milliseconds; what is finer is cut off, which makes a token older and never newer."""
    issued = _numeric_date(claims, "iat")
    # Rounded first: as a float 1790000000.123 is a little less than that, and would lose a millisecond.
    return None if issued is None else int(round(issued * 1000, 2))


def scopes_of(claims: dict[str, Any]) -> tuple[str, ...]:
    """Read `scope`, words separated by spaces (RFC 8693 section 4.2)."""
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        raise TokenInvalid("The claim scope is not a text.")
    return tuple(scope.split())
