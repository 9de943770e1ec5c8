"""Who is asking: the one shape that every kind of credential becomes.

Rule P. Made by shared.auth.tokens (a user's token) and by the API from an API key; read by whoever has to decide
whether something may be done. The table of scopes lives here because the keys, the tokens, the routes and the
documentation must all mean the same words.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

SCOPES: Final[dict[str, str]] = {
    "notifications:write": "Send notifications.",
    "notifications:read": "Follow notifications and their deliveries.",
    "users:write": "Create, change and erase users.",
    "users:read": "Read users.",
    "topics:write": "Subscribe users to topics, and unsubscribe them.",
    "topics:read": "List topics and their subscribers.",
    "segments:write": "Make, change and delete segments.",
    "segments:read": "List segments, and try a rule on the users.",
    "caps:write": "Set how often a user may get something.",
    "caps:read": "List the frequency caps.",
    "schedules:write": "Create, change, stop and run schedules, which send notifications.",
    "schedules:read": "Read schedules and their runs.",
    "keys:write": "Create and revoke API keys; a key gives away only scopes that it holds itself.",
    "keys:read": "List API keys.",
    "messages:write": "Send to named users over a socket; `notifications:write` allows it too.",
    "everyone:write": "Send to everyone over a socket; `notifications:write` allows it too.",
    "presence:read": "See who is online, and be told of it.",
    "inbox:read": "Read one's own inbox; every user's token has it, an API key never.",
    "inbox:write": "Mark in one's own inbox; every user's token has it, an API key never.",
}
"""Every scope there is, with its meaning. docs/errors.md prints this table and a test compares."""

USER_SCOPES: Final = frozenset({"inbox:read", "inbox:write"})
"""What a user may always do: these need a user, so they come with the token and cannot be given to a key."""

KEY_SCOPES: Final = frozenset(SCOPES) - USER_SCOPES
"""What an API key can hold."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller: an application's key, or a user of an app."""

    app: str
    sender: str
    """`key:<id>` or `user:<name>`: what notifications and log lines name as their origin."""
    scopes: frozenset[str]
    user: str | None = None
    key: str | None = None
    expires_at: int | None = None
    """Epoch milliseconds at which the credential ends; None for a key without an end."""
    session: str | None = None
    """The session that a token belongs to (its claim `sid`), which can be ended before the token ends."""
    issued_at: int | None = None
    """Epoch milliseconds (its claim `iat`): what is older than a user's revocation counts no more."""

    def may(self, scope: str) -> bool:
        """Say whether the caller holds `scope`."""
        return scope in self.scopes


@dataclass(frozen=True, slots=True)
class ScopeSplit:
    """A list of scope names sorted into those that exist and those that do not."""

    known: frozenset[str] = field(default_factory=frozenset)
    unknown: tuple[str, ...] = ()


def split_scopes(names: Iterable[str], *, allowed: frozenset[str]) -> ScopeSplit:
    """Separate `names` into allowed ones and all others, the others in their order."""
    wanted = tuple(names)
    return ScopeSplit(frozenset(wanted) & allowed, tuple(name for name in wanted if name not in allowed))


def key_principal(*, app: str, key: str, scopes: Iterable[str], expires_at: int | None) -> Principal:
    """Build the caller that an API key stands for; scopes that no longer exist fall away."""
    return Principal(
        app=app,
        sender=f"key:{key}",
        scopes=frozenset(scopes) & KEY_SCOPES,
        key=key,
        expires_at=expires_at,
    )


def user_principal(
    *,
    app: str,
    user: str,
    scopes: Iterable[str],
    expires_at: int,
    session: str | None = None,
    issued_at: int | None = None,
) -> Principal:
    """Build the caller that a user's token stands for; the user's own scopes are always included."""
    return Principal(
        app=app,
        sender=f"user:{user}",
        scopes=_shared(USER_SCOPES | (frozenset(scopes) & frozenset(SCOPES))),
        user=user,
        expires_at=expires_at,
        session=session,
        issued_at=issued_at,
    )


@lru_cache(maxsize=256)
def _shared(scopes: frozenset[str]) -> frozenset[str]:
    """One object for equal sets: 10,000 connections hold a handful of them."""
    return scopes
