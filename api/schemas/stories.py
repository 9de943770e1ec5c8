"""Shapes of the list of notifications, and of what became of everything that was for one user.

Rule P.
"""

from typing import Annotated, Final, Literal

from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.schemas.common import (
    STRICT,
    Answer,
    Author,
    Cursor,
    EventName,
    GivenInstant,
    Instant,
    Label,
    NotificationId,
    Tag,
)
from api.schemas.notifications import DeliveryState, NotificationStatus

PAGE_MAX: Final = 100
_Since = Annotated[GivenInstant, Field(description="RFC 3339 with a zone: what was accepted then or later.")]
Limit = Annotated[int, Field(ge=1, le=PAGE_MAX, description="50 if absent.")]


@with_config(STRICT)
class NotificationsQuery(TypedDict, total=False):
    """Which notifications; those that match every filter."""

    event: EventName
    status: NotificationStatus
    tag: Tag
    cancel_key: Label
    collapse_key: Label
    thread_key: Label
    sender: Annotated[
        Label, Field(description="As it is told: `key:` and the id of a key, or `user:` and a name.")
    ]
    since: _Since
    until: Annotated[GivenInstant, Field(description="RFC 3339 with a zone: what was accepted before.")]
    cursor: Cursor
    limit: Limit


@with_config(STRICT)
class UserDeliveriesQuery(TypedDict, total=False):
    """Which of the deliveries of a user."""

    state: DeliveryState
    event: EventName
    since: _Since
    cursor: Cursor
    limit: Limit


class UserDeliveryOut(Answer):
    """One notification for this user."""

    notification: NotificationId
    event: str
    from_: Author
    state: DeliveryState
    reason: str | None
    stream: Literal["me", "all"]
    seq: Annotated[int | None, Field(description="The place in that stream; null for what never took one.")]
    accepted_at: Instant
    expires_at: Instant
    held_until: Instant | None
    released_at: Instant | None
    sent_at: Instant | None
    delivered_at: Instant | None
    seen_at: Instant | None
    read_at: Instant | None
