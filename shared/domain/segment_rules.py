"""The JSON in which a segment's rule is written, read into shared.domain.segments.

Rule P. A rule is one of

    {"all": [rule, ...]}    {"any": [rule, ...]}    {"not": rule}
    {"attribute": "<key>", <tests>}    {"timezone": {<tests>}}    {"locale": {<tests>}}

Tests: `is`, `in`, `not_in`, `exists`, and on attributes `lt`, `lte`, `gt`, `gte`. Several in one condition must all
hold. `not_in` is of what exists: who has no plan is not "of a plan that is not paid".
"""

import re
from collections.abc import Callable
from typing import Any, Final

from shared.domain.segments import (
    All,
    AnyOf,
    Attribute,
    Compare,
    Exists,
    In,
    Known,
    Not,
    Rule,
    Scalar,
    Sign,
    Subject,
)
from shared.domain.zones import is_locale

DEPTH: Final = 5
"""Levels of `all`, `any` and `not` at most."""
CONDITIONS: Final = 50
"""Tests in a rule at most."""
VALUES: Final = 100
"""Values of one `in` or `not_in` at most."""
NAME_LENGTH: Final = 128
TEXT_LENGTH: Final = 256
NUMBER_MAX: Final = 2**53
"""Beyond it two whole numbers can be the same 64-bit float."""

_GROUPS: Final = ("all", "any", "not")
_SUBJECTS: Final = ("attribute", *Known)
_SETS: Final = ("is", "in", "not_in")
_TESTS: Final = (*_SETS, "exists")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
Read = Callable[[Any, str], Scalar]
"""Takes the value of a test at a place, or raises BadRule."""
_SEGMENT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)


class BadRule(ValueError):
    """This is no rule. `place` says where, such as `all[1].age.gte`; empty for the whole."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place or 'rule'}: {message}")
        self.place = place
        self.message = message


def check_name(text: str) -> bool:
    """Whether a segment may have this name: 1 to 64 of A-Z a-z 0-9 . _ : -, the first a letter or digit."""
    return _SEGMENT_NAME.fullmatch(text) is not None


def parse(value: Any, *, is_zone: Callable[[str], bool] = bool) -> Rule:
    """Read a rule. Raises BadRule.

    `is_zone` is asked when a rule is made, not when a kept one is read: machines differ in the zones they know.
    """
    return _Reader(is_zone).rule(value, "", 0)


class _Reader:
    """Reads one rule and counts its tests."""

    def __init__(self, is_zone: Callable[[str], bool]) -> None:
        self._is_zone = is_zone
        self._tests = 0

    def rule(self, value: Any, place: str, depth: int) -> Rule:
        """Read what stands at `place`, under `depth` groups."""
        if not isinstance(value, dict):
            raise BadRule(place, "Must be an object.")
        heads = [key for key in value if key in _GROUPS or key in _SUBJECTS]
        if len(heads) != 1:
            raise BadRule(place, f"Must have exactly one of {_words((*_GROUPS, *_SUBJECTS))}.")
        (head,) = heads
        if head == "attribute":
            return self._attribute(value, place)
        if len(value) > 1:
            other = next(key for key in value if key != head)
            raise BadRule(_join(place, other), f"Does not belong beside {head}.")
        inner = _join(place, head)
        if head in _GROUPS:
            if depth == DEPTH:
                raise BadRule(inner, f"More than {DEPTH} levels of all, any and not.")
            return self._group(head, value[head], inner, depth + 1)
        return self._known(Known(head), value[head], inner)

    def _group(self, head: str, value: Any, place: str, depth: int) -> Rule:
        if head == "not":
            return Not(self.rule(value, place, depth))
        if not isinstance(value, list) or not value:
            raise BadRule(place, "Must be a list of at least one rule.")
        rules = tuple(self.rule(each, f"{place}[{number}]", depth) for number, each in enumerate(value))
        return All(rules) if head == "all" else AnyOf(rules)

    def _attribute(self, value: dict[str, Any], place: str) -> Rule:
        name = value["attribute"]
        if not isinstance(name, str) or not 0 < len(name) <= NAME_LENGTH or _CONTROL.search(name):
            message = (
                f"Must be the key of an attribute: 1 to {NAME_LENGTH} characters, no control characters."
            )
            raise BadRule(_join(place, "attribute"), message)
        tests = {test: wanted for test, wanted in value.items() if test != "attribute"}
        return self._tested(Attribute(name), tests, place, (*_TESTS, *Sign), _scalar)

    def _known(self, subject: Known, value: Any, place: str) -> Rule:
        if not isinstance(value, dict):
            raise BadRule(place, f"Must be an object of {_words(_TESTS)}.")
        read = self._zone if subject is Known.TIMEZONE else _locale
        return self._tested(subject, value, place, _TESTS, read)

    def _zone(self, value: Any, place: str) -> str:
        if not isinstance(value, str) or not self._is_zone(value):
            raise BadRule(place, "Must be an IANA time zone such as Europe/Lisbon.")
        return _text(value, place)

    def _tested(
        self, subject: Subject, tests: dict[str, Any], place: str, allowed: tuple[str, ...], read: Read
    ) -> Rule:
        if not tests:
            raise BadRule(place, f"Must have at least one of {_words(allowed)}.")
        for test in tests:
            if test not in allowed:
                raise BadRule(_join(place, test), f"There is no such test here; there are {_words(allowed)}.")
        self._tests += len(tests)
        if self._tests > CONDITIONS:
            raise BadRule(place, f"More than {CONDITIONS} conditions in one rule.")
        found = tuple(_test(subject, test, tests[test], _join(place, test), read) for test in tests)
        return found[0] if len(found) == 1 else All(found)


def _test(subject: Subject, test: str, wanted: Any, place: str, read: Read) -> Rule:
    if test == "exists":
        if not isinstance(wanted, bool):
            raise BadRule(place, "Must be true or false.")
        return Exists(subject) if wanted else Not(Exists(subject))
    if test == "is":
        return In(subject, (read(wanted, place),))
    if test in _SETS:
        if not isinstance(wanted, list) or not 0 < len(wanted) <= VALUES:
            raise BadRule(place, f"Must be a list of 1 to {VALUES} values.")
        values = tuple(read(each, f"{place}[{number}]") for number, each in enumerate(wanted))
        found = In(subject, values)
        return found if test == "in" else All((Exists(subject), Not(found)))
    value = read(wanted, place)
    if isinstance(value, bool) or not isinstance(subject, Attribute):
        raise BadRule(place, "Must be a number or a text.")
    return Compare(subject, Sign(test), value)


def _scalar(value: Any, place: str) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        # Within these bounds a whole number and its float are the same; no infinity is.
        if not abs(value) <= NUMBER_MAX:
            raise BadRule(place, f"Beyond {NUMBER_MAX}; keep so long a number as a text.")
        return float(value)
    if value is None:
        raise BadRule(place, "Must be a text, a number, true or false; for what is not there use exists.")
    return _text(value, place)


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise BadRule(place, "Must be a text, a number, true or false.")
    if len(value) > TEXT_LENGTH or "\x00" in value:
        raise BadRule(place, f"Must be a text of at most {TEXT_LENGTH} characters.")
    return value


def _locale(value: Any, place: str) -> str:
    if not isinstance(value, str) or not is_locale(value):
        raise BadRule(place, "Must be a language tag such as pt or pt-BR.")
    return value


def _words(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
