"""The routes about frequency caps; a part of api.routes.

Rule T.
"""

from typing import Final

from api.routing import Operation, body
from api.schemas.caps import CapIn, CapOut
from api.schemas.common import Listing
from shared.db import DatabaseUnavailable
from shared.errors import Conflict, InvalidRequest, NotFound

CAPS: Final = (
    Operation(
        method="GET",
        path="/v1/caps",
        resource="caps",
        area="Caps",
        about="List the frequency caps, by their ids.",
        scope="caps:read",
        answers={200: Listing[CapOut]},
        errors=(NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="PUT",
        path="/v1/caps/{id}",
        resource="caps",
        suffix="one",
        area="Caps",
        about="Make or replace a frequency cap: how often one user may get an event, or anything.",
        scope="caps:write",
        body=body(CapIn),
        answers={200: CapOut, 201: CapOut},
        errors=(NotFound, Conflict, DatabaseUnavailable),
    ),
    Operation(
        method="DELETE",
        path="/v1/caps/{id}",
        resource="caps",
        suffix="one",
        area="Caps",
        about="Take a frequency cap away; what is held because of it stays held.",
        scope="caps:write",
        answers={204: None},
        errors=(InvalidRequest, NotFound, DatabaseUnavailable),
    ),
)
