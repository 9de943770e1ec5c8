"""The routes of the five designs that Bellhop replaces (DESIGN section 7), in a table of their own.

Rule T. They are no part of /openapi.json: that describes what is to be built upon, and these are kept for who built on
something else. docs/compatibility.md tells of them, tests/compat holds them.
"""

from typing import Any, Final

from pydantic import TypeAdapter

from api.compat.refusals import told_by_a, told_by_b, told_by_d
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

KEYED: Final = _ALWAYS + _keyed(here=False)
"""In production: who sends has an API key."""

OPEN: Final = _ALWAYS + _keyed(here=True) + _TRIALS
"""In development: this machine sends as it likes, and has all the rest."""


def table(settings: Settings) -> Table:
    """Return the routes that there are under these settings."""
    return OPEN if settings.dev_sign_in else KEYED
