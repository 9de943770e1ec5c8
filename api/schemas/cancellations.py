"""Shapes of cancelling notifications.

Rule P.
"""

from typing import Annotated, Final, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.schemas.common import STRICT, Answer, Label, UserIds

USERS_MAX: Final = 1000
_Users = Annotated[
    UserIds,
    Field(min_length=1, max_length=USERS_MAX, description="For these only; for all receivers if absent."),
]


@with_config(STRICT)
class CancelIn(TypedDict, total=False):
    """For whom a notification is cancelled."""

    users: _Users


@with_config(STRICT)
class CancelByKeyIn(TypedDict, total=False):
    """Which notifications are cancelled, and for whom."""

    cancel_key: Required[
        Annotated[Label, Field(description="All notifications of this key that were accepted before.")]
    ]
    users: _Users


class CancelledOut(Answer):
    """What this call did; a repetition finds nothing left to do."""

    cancelled: Annotated[int, Field(description="Deliveries that were prevented.")]
    already_sent: Annotated[
        int, Field(description="Deliveries that were out already and are taken back: `retract`.")
    ]
