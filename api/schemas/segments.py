"""Shapes of segments: a name, a rule, and whom the rule holds.

Rule P. A rule is checked by shared.domain.segment_rules, which names the place of what is wrong; the types of rules
here are for the documentation.
"""

from typing import Annotated, Final, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType, TypedDict

from api.schemas.common import STRICT, Answer, Cursor, Instant, JsonObject
from shared.domain.segment_rules import NAME_LENGTH, VALUES, check_name

PAGE_MAX: Final = 100
_SHAPE: Final = "1 to 64 of A-Z a-z 0-9 . _ : -, the first a letter or digit"


def _name(text: str) -> str:
    if not check_name(text):
        raise PydanticCustomError("segment", "Not a name of a segment: {shape}", {"shape": _SHAPE})
    return text


SegmentName = Annotated[
    str,
    AfterValidator(_name),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 64,
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$",
            "description": f"A segment's name: {_SHAPE}.",
            "examples": ["paying"],
        }
    ),
]
SEGMENT_NAME: Final = TypeAdapter[str](SegmentName)


_Key = Annotated[
    str, Field(min_length=1, max_length=NAME_LENGTH, description="A key of the user's `attributes`.")
]
_Scalar = str | float | bool
_Scalars = Annotated[list[_Scalar], Field(min_length=1, max_length=VALUES)]
_Texts = Annotated[list[str], Field(min_length=1, max_length=VALUES)]
_Ordered = str | float


def _some_test(*, beside: int) -> ConfigDict:
    """STRICT, for a rule of at least one test and `beside` other fields."""
    return ConfigDict(extra="forbid", strict=True, json_schema_extra={"minProperties": beside + 1})


@with_config(STRICT)
class AllRule(TypedDict):
    """Each of these rules holds."""

    all: Annotated[list["Rule"], Field(min_length=1)]


@with_config(STRICT)
class AnyRule(TypedDict):
    """At least one of these rules holds."""

    any: Annotated[list["Rule"], Field(min_length=1)]


@with_config(STRICT)
class NotRule(TypedDict):
    """This rule does not hold."""

    not_: Annotated["Rule", Field(alias="not")]


@with_config(_some_test(beside=1))
class AttributeRule(TypedDict):
    """Of one of the user's attributes; of several tests each must pass."""

    attribute: _Key
    is_: NotRequired[Annotated[_Scalar, Field(alias="is")]]
    in_: NotRequired[Annotated[_Scalars, Field(alias="in")]]
    not_in: NotRequired[_Scalars]
    exists: NotRequired[bool]
    lt: NotRequired[_Ordered]
    lte: NotRequired[_Ordered]
    gt: NotRequired[_Ordered]
    gte: NotRequired[_Ordered]


@with_config(_some_test(beside=0))
class TextTests(TypedDict, total=False):
    """Tests of a text; of several each must pass."""

    is_: Annotated[str, Field(alias="is")]
    in_: Annotated[_Texts, Field(alias="in")]
    not_in: _Texts
    exists: bool


@with_config(STRICT)
class TimezoneRule(TypedDict):
    """Of the user's `timezone`: IANA names."""

    timezone: TextTests


@with_config(STRICT)
class LocaleRule(TypedDict):
    """Of the user's `locale`: language tags, each of which covers what is more exact, as `pt` does `pt-BR`."""

    locale: TextTests


Rule = TypeAliasType("Rule", "AllRule | AnyRule | NotRule | AttributeRule | TimezoneRule | LocaleRule")


@with_config(STRICT)
class SegmentIn(TypedDict):
    """A rule; at most 5 levels of `all`, `any` and `not`, and 50 conditions."""

    rule: JsonObject


@with_config(STRICT)
class SegmentDocument(TypedDict):
    """A rule; at most 5 levels of `all`, `any` and `not`, and 50 conditions."""

    rule: Rule


@with_config(STRICT)
class SegmentsQuery(TypedDict, total=False):
    """Where a list goes on, and how long a page is."""

    cursor: Cursor
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX, description="100 if absent.")]


class SegmentOut(Answer):
    """A saved rule, as it was written."""

    name: str
    rule: JsonObject
    created_at: Instant
    updated_at: Instant
