"""Shapes of topics with subscribers, and of who is subscribed to what.

Rule P.
"""

from typing import Annotated, Final

from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.schemas.common import STRICT, Answer, Cursor, Instant, UserIds
from api.schemas.topics import Topic

USERS_MAX: Final = 1000
PAGE_MAX: Final = 1000


@with_config(STRICT)
class TopicsQuery(TypedDict, total=False):
    """Which topics."""

    prefix: Annotated[Topic, Field(description="A topic: only it and what lies below it.")]
    cursor: Cursor
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX, description="100 if absent.")]


@with_config(STRICT)
class SubscriptionsQuery(TypedDict, total=False):
    """Where a list goes on, and how long a page is."""

    cursor: Cursor
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX, description="100 if absent.")]


@with_config(STRICT)
class SubscribersIn(TypedDict):
    """Users to be subscribed, or not any more."""

    users: Annotated[
        UserIds,
        Field(min_length=1, max_length=USERS_MAX, description="Repeats count once."),
    ]


class SubscribedOut(Answer):
    """How many were not subscribed before."""

    added: int


class UnsubscribedOut(Answer):
    """How many were subscribed before."""

    removed: int


class TopicOut(Answer):
    """A topic or wildcard that somebody is subscribed to."""

    topic: str
    subscribers: Annotated[
        int, Field(description="Of exactly this topic or wildcard, not of what it matches.")
    ]


class SubscriberOut(Answer):
    """A user who is subscribed."""

    user: str
    subscribed_at: Instant


class SubscriptionOut(Answer):
    """A topic or wildcard that the user is subscribed to."""

    topic: str
