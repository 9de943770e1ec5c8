"""Shapes of signing in for development, and of the routes for supervisors.

Rule P.
"""

from typing import Literal

from pydantic import with_config
from typing_extensions import TypedDict

from api.schemas.common import STRICT, Answer, Cursor, Instant, UserId


@with_config(STRICT)
class SignInIn(TypedDict):
    """Who to be."""

    user: UserId


@with_config(STRICT)
class CursorQuery(TypedDict, total=False):
    """Where a list goes on."""

    cursor: Cursor


class SignedIn(Answer):
    """A user's token, its life in seconds, and the nodes to connect to."""

    token: str
    expires_in: int
    nodes: list[str]


class HealthOut(Answer):
    """The process is up."""

    status: Literal["UP"]
    timestamp: Instant


class ReadyOut(Answer):
    """The process can accept notifications."""

    status: Literal["READY"]
    redis: Literal["connected"]


class NotReadyOut(Answer):
    """It cannot, and why."""

    status: Literal["NOT_READY"]
    redis: Literal["connected", "disconnected"]
    reason: str
