"""The routes about segments: rules over what is known of users; a part of api.routes.

Rule T.
"""

from typing import Final

from pydantic import TypeAdapter

from api.routing import Operation, body
from api.schemas.audiences import PreviewOut
from api.schemas.common import Listing
from api.schemas.segments import SegmentDocument, SegmentIn, SegmentOut, SegmentsQuery
from shared.db import DatabaseUnavailable
from shared.errors import InvalidRequest, NotFound

_ONE: Final = "/v1/segments/{name}"
_PREVIEW: Final = "/v1/segments/preview"

SEGMENTS: Final = (
    Operation(
        method="GET",
        path="/v1/segments",
        resource="segments",
        area="Segments",
        about="List the segments.",
        scope="segments:read",
        query=TypeAdapter(SegmentsQuery),
        answers={200: Listing[SegmentOut]},
        errors=(NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="POST",
        path=_PREVIEW,
        resource="segments",
        suffix="preview",
        area="Segments",
        about="Count whom a rule holds just now, and name some; nothing is kept.",
        scope="segments:read",
        body=body(SegmentIn, documented=SegmentDocument),
        answers={200: PreviewOut},
        errors=(NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="PUT",
        path=_ONE,
        also=(_PREVIEW,),
        resource="segments",
        suffix="one",
        area="Segments",
        about="Make a segment, or replace its rule.",
        scope="segments:write",
        body=body(SegmentIn, documented=SegmentDocument),
        answers={200: SegmentOut, 201: SegmentOut},
        errors=(NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="GET",
        path=_ONE,
        also=(_PREVIEW,),
        resource="segments",
        suffix="one",
        area="Segments",
        about="Read a segment.",
        scope="segments:read",
        answers={200: SegmentOut},
        errors=(InvalidRequest, NotFound, DatabaseUnavailable),
    ),
    Operation(
        method="DELETE",
        path=_ONE,
        also=(_PREVIEW,),
        resource="segments",
        suffix="one",
        area="Segments",
        about="Delete a segment. What was sent to it is not taken back.",
        scope="segments:write",
        answers={204: None},
        errors=(InvalidRequest, NotFound, DatabaseUnavailable),
    ),
)
