"""The routes of the five designs that Bellhop replaces (DESIGN section 7), in a table of their own.

Rule T. They are no part of /openapi.json: that describes what is to be built upon, and these are kept for who built on
something else. docs/compatibility.md tells of them, tests/compat holds them.
"""

from typing import Any, Final

from pydantic import TypeAdapter

from api.compat.refusals import told_by_a, told_by_b, told_by_d, told_by_e
from api.routing import Body, Limited, Operation, Refusal, Table
from shared.config import Settings

_ANYTHING: Final[TypeAdapter[Any]] = TypeAdapter(dict)
_LOOSE: Final = Body(_ANYTHING, _ANYTHING, required=False, loose=True)
AREA: Final = "Compatibility"


def _sending(
    path: str, suffix: str, refusal: Refusal, *, here: bool = False, scope: str | None = None
) -> Operation:
    return Operation(
        method="POST",
        path=path,
        resource="compat_sending",
        suffix=suffix,
        area=AREA,
        about="Send one notification to one user.",
        here=here,
        scope=scope,
        body=_LOOSE,
        limited=Limited.JOURNAL,
        refusal=refusal,
    )


def _keyed(*, here: bool) -> Table:
    scope = "notifications:write"
    return (
        _sending("/notification", "a", told_by_a, here=here, scope=scope),
        _sending("/notify", "b", told_by_b, here=here, scope=scope),
    )


_ALWAYS: Final = (_sending("/webhook/notify", "d", told_by_d),)
_TRIALS: Final = tuple(
    Operation(
        method=method,
        path=path,
        resource="compat_trials",
        suffix=suffix,
        area=AREA,
        about=about,
        here=True,
        body=_LOOSE if method == "POST" else None,
        refusal=told_by_b,
    )
    for method, path, suffix, about in (
        ("GET", "/error", "error", "Fail."),
        ("GET", "/status-test", "status", "Succeed."),
        ("POST", "/zod-test", "zod", "Return a name and an age."),
    )
)


def _door(path: str, suffix: str, about: str, refusal: Refusal, *, here: bool = False) -> Operation:
    return Operation(
        method="POST",
        path=path,
        resource="compat_doors",
        suffix=suffix,
        area=AREA,
        about=about,
        here=here,
        body=_LOOSE,
        limited=Limited.SIGN_IN,
        refusal=refusal,
    )


_SESSIONS: Final = (
    _door("/refresh", "refresh", "Change a refresh token for new tokens.", told_by_b),
    _door("/logout", "logout", "End the session of a refresh token.", told_by_b),
)
_AUTH: Final = (_door("/auth", "auth", "Sign in, for what opens one socket.", told_by_e),)
_VISIT: Final = (_door("/temp-login", "login", "Become any user.", told_by_b, here=True),)

OPEN: Final = _keyed(here=True) + _VISIT + _TRIALS
"""In development: this machine sends as it likes, and has all the rest."""

KEYED: Final = _keyed(here=False)
"""In production: who sends has an API key."""


def table(settings: Settings) -> Table:
    """Return the routes that there are under these settings."""
    found = _ALWAYS + (OPEN if settings.dev_sign_in else KEYED)
    if settings.accounts or settings.dev_sign_in:
        found += _SESSIONS
    return found + (_AUTH if settings.accounts else ())
