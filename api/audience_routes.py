"""The routes about audiences: whom one would reach, topics, and who is subscribed to them; a part of api.routes.

Rule T.
"""

from typing import Final

from pydantic import TypeAdapter

from api.routing import Operation, body
from api.schemas.audiences import PreviewIn, PreviewOut
from api.schemas.common import Listing
from api.schemas.subscriptions import (
    SubscribedOut,
    SubscriberOut,
    SubscribersIn,
    SubscriptionOut,
    SubscriptionsQuery,
    TopicOut,
    TopicsQuery,
    UnsubscribedOut,
)
from shared.db import DatabaseUnavailable
from shared.errors import InvalidRequest, NotFound, NotSupported

_SUBSCRIBERS: Final = "/v1/topics/{topic:topic}/subscribers"
_REMOVE: Final = f"{_SUBSCRIBERS}/remove"

PREVIEWING: Final = (
    Operation(
        method="POST",
        path="/v1/notifications/preview",
        resource="audiences",
        suffix="preview",
        area="Send",
        about="Count an audience and name some of it; nothing is sent.",
        scope="notifications:write",
        body=body(PreviewIn),
        answers={200: PreviewOut},
        errors=(NotFound, NotSupported, DatabaseUnavailable),
    ),
)

TOPICS: Final = (
    Operation(
        method="GET",
        path="/v1/topics",
        resource="topics",
        area="Topics",
        about="List the topics and wildcards that have subscribers.",
        scope="topics:read",
        query=TypeAdapter(TopicsQuery),
        answers={200: Listing[TopicOut]},
        errors=(NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="GET",
        path=_SUBSCRIBERS,
        resource="topics",
        suffix="subscribers",
        area="Topics",
        about="List who is subscribed to exactly this topic or wildcard.",
        scope="topics:read",
        query=TypeAdapter(SubscriptionsQuery),
        answers={200: Listing[SubscriberOut]},
        errors=(NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="POST",
        path=_SUBSCRIBERS,
        resource="topics",
        suffix="subscribers",
        area="Topics",
        about="Subscribe up to 1,000 users to a topic or wildcard.",
        scope="topics:write",
        body=body(SubscribersIn),
        answers={200: SubscribedOut},
        errors=(NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="POST",
        path=_REMOVE,
        resource="topics",
        suffix="remove",
        area="Topics",
        about="Unsubscribe up to 1,000 users from a topic or wildcard.",
        scope="topics:write",
        body=body(SubscribersIn),
        answers={200: UnsubscribedOut},
        errors=(NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="PUT",
        path=f"{_SUBSCRIBERS}/{{user:user}}",
        also=(_REMOVE,),
        resource="topics",
        suffix="one",
        area="Topics",
        about="Subscribe a user to a topic or wildcard. Again it changes nothing.",
        scope="topics:write",
        answers={204: None},
        errors=(InvalidRequest, NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="DELETE",
        path=f"{_SUBSCRIBERS}/{{user:user}}",
        also=(_REMOVE,),
        resource="topics",
        suffix="one",
        area="Topics",
        about="Unsubscribe a user; the answer is the same for one who is not subscribed.",
        scope="topics:write",
        answers={204: None},
        errors=(InvalidRequest, NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="GET",
        path="/v1/users/{user:user}/topics",
        resource="topics",
        suffix="of_user",
        area="Topics",
        about="List what a user is subscribed to.",
        scope="users:read",
        query=TypeAdapter(SubscriptionsQuery),
        answers={200: Listing[SubscriptionOut]},
        errors=(NotFound, DatabaseUnavailable),
    ),
)
