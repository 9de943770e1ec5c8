"""Every route in one table: path, method, what it demands, what it takes and gives.

Rule T. api.app builds the routes from it, api.middleware the checks, api.openapi the document; a route that is not here
does not exist.
"""

from typing import Any, Final

from pydantic import TypeAdapter

from api.acceptance import KEY_HEADER
from api.account_routes import ACCOUNTS, DISABLING
from api.audience_routes import PREVIEWING, TOPICS
from api.cancel_routes import CANCELLING
from api.cap_routes import CAPS
from api.operating_routes import DEVELOPMENT, OPERATING
from api.presence_routes import PRESENCE
from api.routing import Limited, Operation, body
from api.schedule_routes import SCHEDULES
from api.schemas.api_keys import ApiKeyIn, ApiKeyMade, ApiKeyOut, RotateIn
from api.schemas.common import Counts, Listing
from api.schemas.inbox import InboxItem, InboxQuery, MarkedOut, MarkIn
from api.schemas.notifications import (
    Accepted,
    BatchAccepted,
    BatchDocument,
    BatchIn,
    DeadLetterOut,
    DeadLettersQuery,
    DeliveriesQuery,
    DeliveryOut,
    NotificationIn,
    NotificationOut,
)
from api.schemas.operations import CursorQuery
from api.schemas.users import UserIn, UserOut
from api.segment_routes import SEGMENTS
from api.story_routes import STORIES
from shared.db import DatabaseUnavailable
from shared.domain.marks import Action
from shared.errors import Conflict, IdempotencyMismatch, NotFound, NotSupported, Unavailable

_IDEMPOTENT: Final = {
    KEY_HEADER: "1 to 200 visible characters. A repetition within 24 hours gets the same answer, with the header"
    " `Idempotent-Replayed: true`, and sends nothing."
}
_ACCEPTING: Final = (NotSupported, IdempotencyMismatch, Unavailable)
_READING: Final = (DatabaseUnavailable,)


def _query(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


SENDING: Final = (
    Operation(
        method="POST",
        path="/v1/notifications",
        resource="notifications",
        area="Send",
        about="Send one notification.",
        scope="notifications:write",
        body=body(NotificationIn),
        headers=_IDEMPOTENT,
        limited=Limited.JOURNAL,
        answers={202: Accepted},
        errors=_ACCEPTING,
    ),
    Operation(
        method="POST",
        path="/v1/notifications/batch",
        resource="notifications",
        suffix="batch",
        area="Send",
        about="Send up to 1,000 notifications; each is accepted or refused by itself.",
        scope="notifications:write",
        body=body(BatchIn, documented=BatchDocument, batch=True),
        headers=_IDEMPOTENT,
        limited=Limited.JOURNAL,
        answers={202: BatchAccepted},
        errors=_ACCEPTING,
    ),
)

FOLLOWING: Final = (
    Operation(
        method="GET",
        path="/v1/notifications/{id}",
        resource="following",
        area="Follow",
        about="Tell what became of a notification.",
        scope="notifications:read",
        answers={200: NotificationOut},
        errors=(NotFound, *_READING),
    ),
    Operation(
        method="GET",
        path="/v1/notifications/{id}/deliveries",
        resource="following",
        suffix="deliveries",
        area="Follow",
        about="Tell what became of it at each receiver.",
        scope="notifications:read",
        query=_query(DeliveriesQuery),
        answers={200: Listing[DeliveryOut]},
        errors=(NotFound, *_READING),
    ),
    Operation(
        method="POST",
        path="/v1/notifications/{id}/retry",
        resource="dead_letters",
        suffix="retry",
        area="Follow",
        about="Send a failed notification again, under its id and for its whole ttl.",
        scope="notifications:write",
        answers={202: Accepted},
        errors=(NotFound, Conflict, *_READING),
    ),
    Operation(
        method="GET",
        path="/v1/dead-letters",
        resource="dead_letters",
        area="Follow",
        about="List the notifications that failed, newest first.",
        scope="notifications:read",
        query=_query(DeadLettersQuery),
        answers={200: Listing[DeadLetterOut]},
        errors=_READING,
    ),
)

INBOX: Final = (
    Operation(
        method="GET",
        path="/v1/inbox",
        resource="inbox",
        area="Inbox",
        about="List one's own inbox, newest first.",
        scope="inbox:read",
        query=_query(InboxQuery),
        answers={200: Listing[InboxItem]},
        errors=(NotFound, *_READING),
    ),
    Operation(
        method="GET",
        path="/v1/inbox/counts",
        resource="inbox",
        suffix="counts",
        area="Inbox",
        about="Count one's own inbox.",
        scope="inbox:read",
        answers={200: Counts},
        errors=(NotFound, *_READING),
    ),
    *(
        Operation(
            method="POST",
            path=f"/v1/inbox/{action}",
            resource=f"inbox_{action}",
            area="Inbox",
            about=f"Mark in one's own inbox: {action}. Again it changes nothing.",
            scope="inbox:write",
            body=body(MarkIn),
            answers={200: MarkedOut},
            errors=(NotFound, *_READING),
        )
        for action in Action
    ),
)

USERS: Final = (
    Operation(
        method="PUT",
        path="/v1/users/{user:user}",
        resource="users",
        area="Users",
        about="Create a user or replace what is known of one.",
        scope="users:write",
        body=body(UserIn, required=False),
        answers={200: UserOut, 201: UserOut},
        errors=_READING,
    ),
    Operation(
        method="GET",
        path="/v1/users/{user:user}",
        resource="users",
        area="Users",
        about="Tell what is known of a user.",
        scope="users:read",
        answers={200: UserOut},
        errors=(NotFound, *_READING),
    ),
    Operation(
        method="DELETE",
        path="/v1/users/{user:user}",
        resource="users",
        area="Users",
        about="Erase a user: name, attributes, account, inbox, and the data of what went to nobody else.",
        scope="users:write",
        answers={204: None},
        errors=(NotFound, *_READING),
    ),
)

KEYS: Final = (
    Operation(
        method="POST",
        path="/v1/api-keys",
        resource="api_keys",
        area="API keys",
        about="Make an API key; its secret is shown this once.",
        scope="keys:write",
        body=body(ApiKeyIn),
        answers={201: ApiKeyMade},
        secret=True,
        errors=(NotFound, *_READING),
    ),
    Operation(
        method="POST",
        path="/v1/api-keys/{id}/rotate",
        resource="api_keys",
        suffix="rotate",
        area="API keys",
        about="Make a key that takes the place of this one, which stays good for the overlap.",
        scope="keys:write",
        body=body(RotateIn, required=False),
        answers={201: ApiKeyMade},
        secret=True,
        errors=(NotFound, *_READING),
    ),
    Operation(
        method="GET",
        path="/v1/api-keys",
        resource="api_keys",
        area="API keys",
        about="List the keys that are not revoked.",
        scope="keys:read",
        query=_query(CursorQuery),
        answers={200: Listing[ApiKeyOut]},
        errors=_READING,
    ),
    Operation(
        method="DELETE",
        path="/v1/api-keys/{id}",
        resource="api_keys",
        suffix="one",
        area="API keys",
        about="Revoke a key.",
        scope="keys:write",
        answers={204: None},
        errors=(NotFound, *_READING),
    ),
)

_SENT: Final = SENDING + PREVIEWING + FOLLOWING + CANCELLING + STORIES + SCHEDULES
_WHO: Final = ACCOUNTS + USERS + DISABLING + PRESENCE
TABLE: Final = _SENT + INBOX + _WHO + TOPICS + SEGMENTS + CAPS + KEYS + OPERATING
"""The routes of every profile. DEVELOPMENT is added where the setting says so."""

__all__ = ["DEVELOPMENT", "TABLE"]
