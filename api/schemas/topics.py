"""What a topic is, and what one may subscribe to, with words for the sender.

Rule P. The rule itself is shared.domain.topics. Checked by a function and not by a pattern, since "match pattern
^(?:[A-Z…" helps nobody who sent to a wildcard.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, TypeAdapter, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.domain.topics import check_pattern, check_topic

_SHAPE: Final = (
    "1 to 16 segments of 1 to 64 of A-Z a-z 0-9 . _ : @ = , ~ -, joined by /, at most 255 characters"
)
_SEGMENT: Final = "[A-Za-z0-9._:@=,~-]{1,64}"
_TOPIC: Final = f"{_SEGMENT}(?:/{_SEGMENT}){{0,15}}"


def _topic(text: str) -> str:
    if check_topic(text):
        return text
    if check_pattern(text):
        raise PydanticCustomError("topic", "A wildcard is for subscribing; name the topic itself")
    raise PydanticCustomError("topic", "Not a topic: {shape}", {"shape": _SHAPE})


def _pattern(text: str) -> str:
    if check_pattern(text):
        return text
    raise PydanticCustomError(
        "topic", "Not a topic or wildcard: {shape}; # only as the last one", {"shape": _SHAPE}
    )


Topic = Annotated[
    str,
    AfterValidator(_topic),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 255,
            "pattern": f"^{_TOPIC}$",
            "description": f"A topic: {_SHAPE}.",
            "examples": ["project/42/build"],
        }
    ),
]
PATTERN: Final = TypeAdapter[str](
    Annotated[
        str,
        AfterValidator(_pattern),
        WithJsonSchema({"type": "string", "maxLength": 255, "pattern": f"^(?:#|{_TOPIC}(?:/#)?)$"}),
    ]
)
"""A topic, or a wildcard such as `project/42/#`."""
