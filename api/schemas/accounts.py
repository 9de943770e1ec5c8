"""Shapes of signing in.

Rule P.
"""

from typing import Annotated, NotRequired

from pydantic import Field, StringConstraints, with_config
from typing_extensions import TypedDict

from api.schemas.common import STRICT, Answer, Instant, UserId, shown

_Password = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024),
    Field(description="1 to 1,024 characters; how many a new one has at least is a setting."),
]
_App = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9_-]{1,40}$"),
    Field(description="The app to sign in to; `main` if absent."),
]
_Secret = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


@with_config(shown({"username": "ana", "password": "correct horse battery"}))
class CredentialsIn(TypedDict):
    """A name and its password."""

    username: UserId
    password: _Password
    app: NotRequired[_App]


@with_config(STRICT)
class RefreshIn(TypedDict, total=False):
    """A refresh token; absent, it is looked for in the cookie."""

    refresh: _Secret


@with_config(STRICT)
class PasswordIn(TypedDict):
    """The password as it is, and as it shall be."""

    old: _Password
    new: _Password


class RegisteredOut(Answer):
    """An account just made."""

    user: str


class GrantOut(Answer):
    """What a client goes on with; `expires_in` is of `access`, in seconds."""

    user: str
    access: str
    refresh: str
    expires_in: int


class SessionOut(Answer):
    """A session that goes on."""

    id: str
    agent: Annotated[str, Field(description="The User-Agent that signed in, shortened.")]
    current: Annotated[bool, Field(description="The session of the token that asks.")]
    created_at: Instant
    last_used_at: Instant
    expires_at: Instant


class TicketOut(Answer):
    """A ticket for one WebSocket handshake; `expires_in` is in seconds."""

    ticket: str
    expires_in: int
