"""The routes that cancel; a part of api.routes.

Rule T.
"""

from typing import Final

from api.routing import Operation, body
from api.schemas.cancellations import CancelByKeyIn, CancelIn, CancelledOut
from shared.db import DatabaseUnavailable
from shared.errors import NotFound, Unavailable

CANCELLING: Final = (
    Operation(
        method="POST",
        path="/v1/notifications/{id}/cancel",
        resource="cancelling",
        suffix="one",
        area="Follow",
        about="Cancel a notification, for all or for some users; what is out is taken back.",
        scope="notifications:write",
        body=body(CancelIn, required=False),
        answers={200: CancelledOut},
        errors=(NotFound, Unavailable, DatabaseUnavailable),
    ),
    Operation(
        method="POST",
        path="/v1/notifications/cancel",
        resource="cancelling",
        suffix="keyed",
        area="Follow",
        about="Cancel all notifications of a key that were accepted until now.",
        scope="notifications:write",
        body=body(CancelByKeyIn),
        answers={200: CancelledOut},
        errors=(Unavailable, DatabaseUnavailable),
    ),
)
