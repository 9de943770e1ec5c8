"""The routes of presence and of the log of connections; a part of api.routes.

Rule T.
"""

from typing import Final

from pydantic import TypeAdapter

from api.routing import Operation, body
from api.schemas.common import Listing
from api.schemas.presence import ConnectionOut, ConnectionsQuery, PresenceIn, PresenceOut, PresencesOut
from shared.db import DatabaseUnavailable
from shared.errors import InvalidRequest, NotFound, Unavailable

PRESENCE: Final = (
    Operation(
        method="GET",
        path="/v1/users/{user:user}/presence",
        resource="presence",
        area="Presence",
        about="Tell whether a user is online, and on which nodes.",
        scope="presence:read",
        answers={200: PresenceOut},
        errors=(InvalidRequest, Unavailable, DatabaseUnavailable),
    ),
    Operation(
        method="POST",
        path="/v1/presence",
        resource="presence",
        suffix="many",
        area="Presence",
        about="Tell which of up to 1,000 users are online.",
        scope="presence:read",
        body=body(PresenceIn),
        answers={200: PresencesOut},
        errors=(Unavailable, DatabaseUnavailable),
    ),
    Operation(
        method="GET",
        path="/v1/users/{user:user}/connections",
        resource="presence",
        suffix="connections",
        area="Presence",
        about="List the connections of a user, newest first: when they opened, when and how they ended.",
        scope="users:read",
        query=TypeAdapter(ConnectionsQuery),
        answers={200: Listing[ConnectionOut]},
        errors=(NotFound, DatabaseUnavailable),
    ),
)
