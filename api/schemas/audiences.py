"""Shapes of audiences: for whom a notification is, and whom that would reach.

Rule P. Fields that later versions will serve are already named here, so that a sender learns from the error what is
not there yet instead of being told that the field does not exist.
"""

from typing import Annotated, Final

from pydantic import FailFast, Field, with_config
from typing_extensions import TypedDict

from api.schemas.common import STRICT, Answer, UserId, UserIds
from api.schemas.segments import SegmentName
from api.schemas.topics import Topic

EXCLUDE_MAX: Final = 1000
TOPICS_MAX: Final = 100
SEGMENTS_MAX: Final = 20
SAMPLE_MAX: Final = 20
Topics = Annotated[list[Topic], FailFast(), Field(max_length=TOPICS_MAX)]
Segments = Annotated[list[SegmentName], FailFast(), Field(max_length=SEGMENTS_MAX)]

# Not a constraint of pydantic's: whoever names a conversation is told that this version does not serve them.
_Nothing = Annotated[str, Field(json_schema_extra={"maxLength": 0})]


@with_config(STRICT)
class ExcludeIn(TypedDict, total=False):
    """Who gets nothing although the audience names them."""

    users: Annotated[UserIds, Field(max_length=EXCLUDE_MAX)]
    topics: Annotated[Topics, Field(description="Whoever is subscribed to one of these is out.")]
    segments: Annotated[Segments, Field(description="Whoever is in one of these is out.")]


@with_config(STRICT)
class AudienceIn(TypedDict, total=False):
    """For whom: `users`, the subscribers of `topics` and who is in `segments`, or `everyone`; less `exclude` and
    `exclude_actor`."""

    users: Annotated[UserIds, Field(description="Unknown users are created; repeats count once.")]
    everyone: Annotated[bool, Field(description="All users of the app, also those who come later.")]
    exclude: ExcludeIn
    topics: Annotated[
        Topics, Field(description="Whoever is subscribed, by a wildcard too, when it is stored.")
    ]
    segments: Annotated[Segments, Field(description="Whoever is in one of these when it is stored.")]
    exclude_actor: Annotated[
        UserId | None, Field(description="Who did what this is about, and gets nothing of it.")
    ]
    conversation: Annotated[_Nothing | None, Field(description="Not served yet: null, or empty.")]


@with_config(STRICT)
class PreviewIn(TypedDict):
    """An audience, as a notification has it."""

    to: AudienceIn


class PreviewOut(Answer):
    """How many users an audience has just now, and some of them."""

    count: int
    sample: Annotated[list[str], Field(max_length=SAMPLE_MAX)]
