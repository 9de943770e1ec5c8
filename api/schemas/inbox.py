"""Shapes of a user's own inbox.

Rule P.
"""

from typing import Annotated, Final, Literal

from pydantic import FailFast, Field, with_config
from typing_extensions import TypedDict

from api.schemas.common import (
    STRICT,
    Answer,
    Author,
    Counts,
    Cursor,
    EventName,
    GivenInstant,
    Instant,
    JsonObject,
    NotificationId,
    one_of,
)

PAGE_MAX: Final = 100
IDS_MAX: Final = 1000
# Positions in the database are 64 bits.
REV_MAX: Final = 2**63 - 1
InboxState = Literal["unread", "read", "archived"]


@with_config(STRICT)
class InboxQuery(TypedDict, total=False):
    """Which items of the inbox; without `state` all that is not archived."""

    state: InboxState
    event: EventName
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX, description="50 if absent.")]
    cursor: Cursor
    changed_since: Annotated[
        int,
        Field(ge=0, le=REV_MAX, description="A `rev`: what changed after it, archived items too."),
    ]


@with_config(STRICT)
class MarkFilter(TypedDict, total=False):
    """Which items, all of them if it is empty."""

    state: InboxState
    event: EventName
    before: Annotated[
        GivenInstant, Field(description="RFC 3339 with a zone: only what was accepted before it.")
    ]


@with_config(one_of("ids", "filter", example={"filter": {"event": "order.paid"}}))
class MarkIn(TypedDict, total=False):
    """What to mark: either `ids` or `filter`."""

    ids: Annotated[list[NotificationId], FailFast(), Field(min_length=1, max_length=IDS_MAX)]
    filter: MarkFilter


class InboxItem(Answer):
    """One notification as its receiver sees it."""

    id: NotificationId
    stream: Literal["me", "all"]
    seq: int
    event: str
    data: JsonObject
    from_: Author
    sent_at: Instant
    seen_at: Instant | None
    read_at: Instant | None
    archived_at: Instant | None
    expires_at: Instant


class MarkedOut(Answer):
    """How many items the mark changed, and the numbers afterwards."""

    changed: int
    counts: Counts
