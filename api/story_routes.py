"""The routes that tell the story of notifications beyond one of them: the list, and one user's; a part of api.routes.

Rule T.
"""

from typing import Final

from pydantic import TypeAdapter

from api.routing import Operation
from api.schemas.common import Listing
from api.schemas.notifications import NotificationSummary
from api.schemas.stories import NotificationsQuery, UserDeliveriesQuery, UserDeliveryOut
from shared.db import DatabaseUnavailable
from shared.errors import NotFound, Unavailable

STORIES: Final = (
    Operation(
        method="GET",
        path="/v1/notifications",
        resource="notifications",
        area="Follow",
        about="List notifications, newest first. A page may be short; the list ends where `next` is null.",
        scope="notifications:read",
        query=TypeAdapter(NotificationsQuery),
        answers={200: Listing[NotificationSummary]},
        errors=(NotFound, Unavailable, DatabaseUnavailable),
    ),
    Operation(
        method="GET",
        path="/v1/users/{user:user}/deliveries",
        resource="user_deliveries",
        area="Follow",
        about="Tell what became of everything that was for a user, newest first.",
        scope="notifications:read",
        query=TypeAdapter(UserDeliveriesQuery),
        answers={200: Listing[UserDeliveryOut]},
        errors=(NotFound, DatabaseUnavailable),
    ),
)
