"""Shapes of sending and following notifications.

Rule P. Fields that later versions will serve are already named here, so that a sender learns from the error what is
not there yet instead of being told that the field does not exist.
"""

from typing import Annotated, Any, Final, Literal, Required

from pydantic import Field, StringConstraints, TypeAdapter, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from api.schemas.audiences import AudienceIn
from api.schemas.common import (
    STRICT,
    Answer,
    Cursor,
    ErrorBody,
    EventName,
    Instant,
    JsonObject,
    Label,
    NotificationId,
    Tag,
    UserId,
    shown,
)
from shared.domain import words

DELIVERIES_MAX: Final = 1000
DEAD_LETTERS_MAX: Final = 100
SendAt = Annotated[str, StringConstraints(min_length=16, max_length=40)]
Priority = Literal["critical", "normal", "bulk"]
NotificationStatus = Literal[
    "accepted", "scheduled", "held", "sending", "sent", "completed", "cancelled", "expired", "failed"
]
DeliveryState = Literal["pending", "sent", "held", "skipped", "delivered", "expired", "cancelled", "failed"]


@with_config(STRICT)
class ContentIn(TypedDict, total=False):
    """What is to be sent and to whom, whenever that is."""

    to: Required[AudienceIn]
    event: Required[EventName]
    data: Annotated[JsonObject, Field(description="Any JSON object; it reaches the client as it is.")]
    priority: Annotated[Priority, Field(description="Chooses the queue; `normal` if absent.")]
    ttl: Annotated[
        int,
        Field(ge=1, description="Seconds until it expires undelivered; one day if absent, 30 days at most."),
    ]
    collapse_key: Annotated[
        Label | None,
        Field(
            description="It takes the place of an older one with this key that its recipient has not read."
        ),
    ]
    cancel_key: Annotated[
        Label | None, Field(description="A name to cancel it by; several may have the same.")
    ]
    thread_key: Annotated[Label | None, Field(description="Kept with the notification.")]
    tags: Annotated[list[Tag], Field(max_length=words.TAGS_MAX, description="Kept with the notification.")]


_ORDER_PAID: Final[JsonDict] = {"to": {"users": ["ana"]}, "event": "order.paid", "data": {"order": 17}}


@with_config(shown(_ORDER_PAID))
class NotificationIn(ContentIn, total=False):
    """A notification to be sent."""

    send_at: Annotated[
        SendAt | None,
        Field(
            description="When to send it: an instant (RFC 3339, with `Z` or an offset), or a local time without one and"
            " with `send_at_zone`. What is past is sent at once. `ttl` counts from then.",
            examples=["2026-12-01T09:00:00Z", "2026-12-01T09:00:00"],
        ),
    ]
    send_at_zone: Annotated[
        Label | None,
        Field(
            description="The zone of a local `send_at`: an IANA name such as `Europe/Lisbon`, or `recipient`, each"
            " recipient's own (UTC for who has none)."
        ),
    ]


@with_config(STRICT)
class BatchIn(TypedDict):
    """Many notifications at once; each is judged by itself."""

    # Any here, NotificationIn item by item: one bad item must not spoil the others.
    notifications: Annotated[list[Any], Field(min_length=1)]


@with_config(STRICT)
class BatchDocument(TypedDict):
    """Many notifications at once; each is judged by itself."""

    notifications: Annotated[list[NotificationIn], Field(min_length=1, max_length=1000)]


@with_config(STRICT)
class DeliveriesQuery(TypedDict, total=False):
    """Which deliveries of a notification."""

    state: DeliveryState
    user: Annotated[UserId, Field(description="Only this user's; none if it is not in the audience.")]
    cursor: Cursor
    limit: Annotated[int, Field(ge=1, le=DELIVERIES_MAX, description="100 if absent.")]


@with_config(STRICT)
class DeadLettersQuery(TypedDict, total=False):
    """Which of the failed notifications."""

    cursor: Cursor
    limit: Annotated[int, Field(ge=1, le=DEAD_LETTERS_MAX, description="50 if absent.")]


NOTIFICATION: Final = TypeAdapter[NotificationIn](NotificationIn)


class Accepted(Answer):
    """It is kept, and will be delivered."""

    id: NotificationId
    status: Literal["accepted"]


class Refused(Answer):
    """An item of a batch that was refused; the others are not touched by it."""

    error: ErrorBody


class BatchAccepted(Answer):
    """One entry per notification, in the order given."""

    items: list[Accepted | Refused]


class Hop(Answer):
    """One step of a notification's way."""

    at: Annotated[Instant | None, Field(description="Null where only the fact is known.")]
    hop: Literal[
        "accepted",
        "scheduled",
        "stored",
        "published",
        "delivered_first",
        "cancelled",
        "expired",
        "failed",
        "rescued",
    ]
    node: str | None = None
    reason: str | None = None


class ExceptOut(Answer):
    """What an audience is less, as it was sent."""

    topics: list[str]
    segments: list[str]


class AudienceOut(Answer):
    """What of an audience is not names, as it was sent."""

    topics: list[str]
    segments: list[str]
    exclude: ExceptOut


class NotificationSummary(Answer):
    """A notification and where it is, without its data."""

    id: NotificationId
    status: NotificationStatus
    event: str
    priority: Priority
    everyone: bool
    recipients: Annotated[
        int | None, Field(description="How many users it is for; null until it is stored, 0 for everyone.")
    ]
    counts: Annotated[
        dict[DeliveryState, int] | None,
        Field(
            description="Deliveries by state; states without any are left out. Null in a list where counting would"
            " take too long."
        ),
    ]
    counted_at: Annotated[
        Instant | None, Field(description="When `counts` was counted: of big audiences not for each request.")
    ]
    ttl: int
    accepted_at: Instant
    expires_at: Instant
    send_at: Instant | None
    local_at: Annotated[
        str | None, Field(description="The time of day in each recipient's zone, if it is sent by that.")
    ]
    sender: str
    request_id: str
    collapse_key: str | None
    cancel_key: str | None
    thread_key: str | None
    tags: list[str]
    audience: Annotated[AudienceOut | None, Field(description="Null where it is names, or everyone.")]


class NotificationOut(NotificationSummary):
    """A notification and what became of it."""

    data: JsonObject
    timeline: list[Hop]


class DeadLetterOut(Answer):
    """A notification that could not be stored in all its attempts."""

    id: NotificationId
    event: str
    priority: Priority
    everyone: bool
    recipients: Annotated[
        int | None, Field(description="Null where what was sent could not even be stored as failed.")
    ]
    reason: str | None
    attempts: int | None
    accepted_at: Instant
    failed_at: Annotated[Instant | None, Field(description="Null where only the journal knows of it.")]
    sender: str
    request_id: str


class DeliveryOut(Answer):
    """One notification for one user."""

    user: str
    state: DeliveryState
    reason: str | None = None
    seq: int | None
    held_until: Annotated[Instant | None, Field(description="When it is let go, while it is held.")] = None
    released_at: Annotated[Instant | None, Field(description="When what was held was let go.")] = None
    sent_at: Instant | None = None
    delivered_at: Instant | None = None
    seen_at: Instant | None = None
    read_at: Instant | None = None
