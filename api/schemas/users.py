"""Shapes of users.

Rule P.
"""

from typing import Annotated

from pydantic import Field, StringConstraints, with_config
from typing_extensions import TypedDict

from api.schemas.common import STRICT, Answer, Instant, JsonObject

Locale = Annotated[
    str,
    StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*$"),
    Field(description="A language tag such as `de` or `pt-BR`."),
]
TimeZone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(description="An IANA name such as `Europe/Berlin`."),
]


@with_config(STRICT)
class UserIn(TypedDict, total=False):
    """What is known of a user; what is absent is cleared."""

    attributes: JsonObject
    locale: Locale | None
    timezone: TimeZone | None


class UserOut(Answer):
    """A user."""

    id: str
    attributes: JsonObject
    locale: str | None
    timezone: str | None
    created_at: Instant
    updated_at: Instant
