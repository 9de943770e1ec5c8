"""Rules over what is known of a user, and whom such a rule holds: the twin in Python of shared.store.segment_sql.

Rule P. Types are strict: the text "1", the number 1 and `true` are three values. Numbers are 64-bit floats. What is
absent or `null` does not exist; every condition on it but `exists` is false, and so `not` of that condition is true.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias


class Sign(StrEnum):
    """How a value compares with the one that a rule names."""

    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"


class Known(StrEnum):
    """What Bellhop itself knows of a user."""

    TIMEZONE = "timezone"
    LOCALE = "locale"


@dataclass(frozen=True, slots=True)
class Attribute:
    """What the sender knows of a user, under a key of the user's `attributes`."""

    name: str


Subject: TypeAlias = Attribute | Known
Scalar: TypeAlias = str | float | bool


@dataclass(frozen=True, slots=True)
class All:
    """Each of these rules holds."""

    rules: "tuple[Rule, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of these rules holds."""

    rules: "tuple[Rule, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """The rule does not hold."""

    rule: "Rule"


@dataclass(frozen=True, slots=True)
class In:
    """The value is one of these, of the same type. A locale may be more exact: `pt` covers `pt-BR`."""

    subject: Subject
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """The value is of the type of `value` and stands in this relation to it; texts go by their code points."""

    subject: Attribute
    sign: Sign
    value: str | float


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a value, and it is not `null`."""

    subject: Subject


Rule: TypeAlias = All | AnyOf | Not | In | Compare | Exists


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of one user."""

    attributes: Mapping[str, Any]
    timezone: str | None = None
    locale: str | None = None


def holds(rule: Rule, person: Person) -> bool:
    """Whether a rule holds for a user."""
    match rule:
        case All(rules) | AnyOf(rules):
            each_holds = (holds(each, person) for each in rules)
            return all(each_holds) if isinstance(rule, All) else any(each_holds)
        case Not(inner):
            return not holds(inner, person)
        case Exists(subject):
            return _value(subject, person) is not None
        case Compare(subject, sign, value):
            return _compares(_value(subject, person), sign, value)
        case In(subject, values):
            found = _value(subject, person)
            same = _covered if subject is Known.LOCALE else _equal
            return any(_kind(found) is _kind(each) and same(each, found) for each in values)


def _equal(wanted: Any, found: Any) -> bool:
    return bool(found == wanted)


def _covered(tag: Any, locale: Any) -> bool:
    """Whether `locale` is what `tag` says, or something more exact: `pt` covers `pt-BR`. Case does not count."""
    wanted, found = tag.lower(), locale.lower()
    return bool(found == wanted or found.startswith(f"{wanted}-"))


def _value(subject: Subject, person: Person) -> Any:
    match subject:
        case Known.TIMEZONE:
            return person.timezone
        case Known.LOCALE:
            return person.locale
        case Attribute(name):
            found: Any = person.attributes.get(name)
            return float(found) if _kind(found) is float else found


_KINDS: Final[dict[type, type]] = {str: str, bool: bool, int: float, float: float}


def _kind(value: Any) -> type | None:
    """The type as a rule knows it; None for lists, objects and what is absent, which equal nothing."""
    return _KINDS.get(type(value))


def _compares(found: Any, sign: Sign, value: str | float) -> bool:
    if _kind(found) is not _kind(value):
        return False
    match sign:
        case Sign.LT:
            return bool(found < value)
        case Sign.LTE:
            return bool(found <= value)
        case Sign.GT:
            return bool(found > value)
        case Sign.GTE:
            return bool(found >= value)
