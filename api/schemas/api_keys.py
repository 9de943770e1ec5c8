"""Shapes of API keys.

Rule P.
"""

from typing import Annotated, NotRequired

from pydantic import Field, StringConstraints, with_config
from typing_extensions import TypedDict

from api.schemas.common import STRICT, Answer, GivenInstant, Instant
from shared.auth.principal import KEY_SCOPES

# Which there are is checked with those that the maker holds, so that one answer names all that cannot be given.
_Scope = Annotated[str, Field(json_schema_extra={"enum": sorted(KEY_SCOPES)})]


@with_config(STRICT)
class ApiKeyIn(TypedDict):
    """A key to be made."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
    scopes: Annotated[list[_Scope], Field(min_length=1, max_length=20)]
    expires_at: NotRequired[
        Annotated[GivenInstant | None, Field(description="RFC 3339 with a zone; never if absent.")]
    ]


@with_config(STRICT)
class RotateIn(TypedDict, total=False):
    """How long the key that is replaced stays good."""

    overlap: Annotated[
        int, Field(ge=0, le=2_592_000, description="Seconds; 3,600 if absent, 0 ends it at once.")
    ]


class ApiKeyOut(Answer):
    """A key as it is kept: the secret itself is not."""

    id: str
    name: str
    scopes: list[str]
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Annotated[Instant | None, Field(description="Written at most once a minute.")]
    revoked_at: Instant | None


class ApiKeyMade(ApiKeyOut):
    """A key just made; `key` is shown this once."""

    key: str
