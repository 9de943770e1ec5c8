"""pydantic's findings in our one error format, naming each field as the sender wrote it.

Rule P.
"""

import re
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from shared.errors import InvalidRequest, NotSupported

_SUBJECT: Final = re.compile(r"^\w+ should ")
PROBLEMS_MAX: Final = 20
"""A body of wrong fields gets so many named, not a megabyte of answer."""

_SENTENCES: Final = {
    "extra_forbidden": "There is no such field.",
    "missing": "Missing.",
    "string_type": "Must be a text.",
    "float_type": "Must be a number.",
    "int_type": "Must be a whole number.",
    "int_parsing": "Must be a whole number.",
    "bool_type": "Must be true or false.",
    "list_type": "Must be a list.",
    "dict_type": "Must be an object.",
}


def check(adapter: TypeAdapter[Any], value: Any) -> Any:
    """Return `value` if it has the shape, else raise InvalidRequest with every problem."""
    try:
        return adapter.validator.validate_python(value)
    except ValidationError as error:
        raise invalid_from(error) from None


def check_at(field: str, adapter: TypeAdapter[Any], value: Any, message: str | None = None) -> None:
    """Check one value of an address or a cursor. Raises InvalidRequest with `message`, or what pydantic says."""
    try:
        adapter.validator.validate_python(value)
    except ValidationError as error:
        raise invalid(field, message or _message(error.errors(include_url=False)[0])) from None


def invalid(field: str, message: str) -> InvalidRequest:
    """Refuse one field."""
    return InvalidRequest(f"{field}: {message}", detail=[{"field": field, "message": message}])


def unsupported(field: str) -> NotSupported:
    """Refuse a field that has its name already and is not served."""
    text = "Not served by this version."
    return NotSupported(f"{field}: {text}", detail=[{"field": field, "message": text}])


def invalid_from(error: ValidationError) -> InvalidRequest:
    """Refuse what pydantic found, in its order."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    problems = [{"field": _field(each), "message": _message(each)} for each in found[:PROBLEMS_MAX]]
    first = problems[0]
    return InvalidRequest(f"{first['field']}: {first['message']}", detail=problems)


def _message(problem: ErrorDetails) -> str:
    known = _SENTENCES.get(problem["type"])
    if known:
        return known
    said = problem["msg"].removeprefix("Input should ").removeprefix("String should ")
    # Not capitalize(): it would make A-Z of a pattern into a-z.
    return f"{said[:1].upper()}{said[1:]}."


def _field(problem: ErrorDetails) -> str:
    """Spell a place: `to.users[3]`."""
    path = ""
    for part in problem["loc"]:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path or "body"
