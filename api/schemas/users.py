"""Shapes of users.

Rule P.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from api.schemas.common import STRICT, Answer, Instant, JsonObject
from shared.domain.zones import LOCALE_LENGTH, is_locale, is_zone


def _locale(text: str) -> str:
    if not is_locale(text):
        raise PydanticCustomError("locale", "Not a language tag (BCP 47) such as de or pt-BR")
    return text


def _zone(text: str) -> str:
    if not is_zone(text):
        raise PydanticCustomError("zone", "Not an IANA time zone such as Europe/Berlin")
    return text


Locale = Annotated[
    str,
    Field(max_length=LOCALE_LENGTH, description="A language tag (BCP 47) such as `de` or `pt-BR`."),
    AfterValidator(_locale),
]
TimeZone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(description="An IANA name such as `Europe/Berlin`."),
    AfterValidator(_zone),
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
    disabled_at: Annotated[Instant | None, Field(description="Since then the user may not come in.")]
