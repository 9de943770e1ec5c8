"""Shapes of presence and of the log of connections.

Rule P.
"""

from typing import Annotated, Final

from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.schemas.common import STRICT, Answer, Cursor, Instant, UserIds

USERS_MAX: Final = 1000
PAGE_MAX: Final = 100


@with_config(STRICT)
class PresenceIn(TypedDict):
    """Whose presence is asked for."""

    users: Annotated[UserIds, Field(min_length=1, max_length=USERS_MAX, description="Repeats count once.")]


@with_config(STRICT)
class ConnectionsQuery(TypedDict, total=False):
    """Where the list goes on, and how long a page is."""

    cursor: Cursor
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX, description="50 if absent.")]


class OnNode(Answer):
    """Connections on one node."""

    node: str
    connections: int


class PresenceOut(Answer):
    """Whether a user is online, and where."""

    user: str
    online: Annotated[bool, Field(description="Also for some seconds after the last connection closed.")]
    last_seen: Annotated[
        Instant | None, Field(description="Now, if online; null for one who was never seen.")
    ]
    connections: int
    nodes: list[OnNode]


class PresencesOut(Answer):
    """The presence of several users."""

    items: list[PresenceOut]


class ConnectionOut(Answer):
    """One connection of a user; open as long as `closed_at` is null."""

    connection: str
    node: str
    opened_at: Instant
    closed_at: Instant | None
    code: Annotated[int | None, Field(description="How it was closed: RFC 6455, and our own from 4000 on.")]
    reason: str | None
    duration: Annotated[float | None, Field(description="Seconds.")]
    sign_in: Annotated[str, Field(description="The way the credential came.")]
    dialect: str
    address: Annotated[
        str | None, Field(description="The client's, where the setting connection_log_address is on.")
    ]
