"""Shapes of frequency caps.

Rule P.
"""

from typing import Annotated, Final, Literal, NotRequired

from pydantic import Field, StringConstraints, TypeAdapter, with_config
from typing_extensions import TypedDict

from api.schemas.common import STRICT, Answer, EventName
from shared.domain.caps import LIMIT, PER_S

ACTIONS = Literal["drop", "hold"]
CAP_ID: Final = TypeAdapter[str](Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")])
CAP_ID_SHAPE: Final = "1 to 32 of A-Z a-z 0-9 _ -"


@with_config(STRICT)
class CapIn(TypedDict):
    """What one user may get at most."""

    event: NotRequired[Annotated[EventName | None, Field(description="Which event; null or absent: all.")]]
    limit: Annotated[int, Field(ge=1, le=LIMIT, description="Notifications; as many may come at once.")]
    per: Annotated[int, Field(ge=1, le=PER_S, description="In so many seconds, up to 31 days.")]
    action: Annotated[
        ACTIONS,
        Field(description="What becomes of one that is over it: it is skipped, or held until it fits."),
    ]


class CapOut(Answer):
    """A cap."""

    id: str
    event: str | None
    limit: int
    per: int
    action: ACTIONS
