"""The routes for whoever runs Bellhop or tries it out; a part of api.routes.

Rule T.
"""

from typing import Final

from api.openapi_headers import IF_NONE_MATCH
from api.routing import Limited, Operation, body
from api.schemas.operations import HealthOut, NotReadyOut, ReadyOut, SignedIn, SignInIn
from shared.errors import Unavailable

HTML: Final = "text/html"
TEXT: Final = "text/plain"
JSON: Final = "application/json"
_UNCHANGED: Final = {IF_NONE_MATCH: "The `ETag` of what the caller has; `304` if that is still the same."}

OPERATING: Final = (
    Operation(
        method="GET",
        path="/health",
        limited=Limited.NOBODY,
        resource="health",
        area="Operate",
        about="The process is up.",
        answers={200: HealthOut},
    ),
    Operation(
        method="GET",
        path="/readiness",
        limited=Limited.NOBODY,
        resource="readiness",
        area="Operate",
        about="The process can accept notifications: Redis takes writes and the journal has room. The database may"
        " be away.",
        answers={200: ReadyOut, 503: NotReadyOut},
    ),
    Operation(
        method="GET",
        path="/metrics",
        limited=Limited.NOBODY,
        resource="metrics",
        area="Operate",
        about="Metrics in the text format of Prometheus; not to be shown to the outside.",
        answers={200: TEXT},
    ),
    Operation(
        method="GET",
        path="/openapi.json",
        resource="openapi",
        area="Operate",
        about="This document.",
        headers=_UNCHANGED,
        answers={200: JSON, 304: None},
    ),
    Operation(
        method="GET",
        path="/docs",
        resource="docs",
        area="Operate",
        about="This document as a page.",
        headers=_UNCHANGED,
        answers={200: HTML, 304: None},
    ),
)

DEVELOPMENT: Final = (
    Operation(
        method="POST",
        path="/v1/dev/sign-in",
        limited=Limited.SIGN_IN,
        resource="sign_in",
        area="Development",
        about="Become any user; in development only, from this machine only.",
        body=body(SignInIn),
        answers={200: SignedIn},
        secret=True,
        errors=(Unavailable,),
    ),
)
