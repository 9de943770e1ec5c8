"""The arguments of a job, checked before it runs.

Anyone who can write to the broker can send a job any JSON, so a worker believes only what fits the declared type and
its bounds; the app of an entry is read from the journal or the database, never from the message.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from shared.protocol.jobs import JobArgs

A = TypeVar("A", bound=JobArgs)

IDS_MAX = 2000
"""More than a `read` frame of 64 KiB can name, and than any group holds."""
TEXT_MAX = 4096


class PoisonArgs(ValueError):
    """The arguments of a job are not what its type declares; `problems` names the fields, never their values."""

    def __init__(self, problems: str) -> None:
        super().__init__(problems)
        self.problems = problems


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def parse(kind: type[A], kwargs: Mapping[str, Any]) -> A:
    """The arguments as `kind`, or PoisonArgs."""
    adapter = _adapter(kind)  # type: ignore[arg-type]  # mypy does not take a class for hashable
    # From JSON text, because strict Python input would have to be the dataclass already.
    # Unknown fields are left out, not refused: writers add fields, and a newer api may already send one.
    try:
        found: A = adapter.validate_json(orjson.dumps(kwargs), strict=True)
    except ValidationError as error:
        names = sorted({".".join(str(part) for part in problem["loc"]) for problem in error.errors()})
        raise PoisonArgs(", ".join(names)) from None
    over = [name for name, value in kwargs.items() if _over(value)]
    if over:
        raise PoisonArgs(", ".join(sorted(over)) + " over the limit")
    return found


def _over(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) > IDS_MAX or any(_over(item) for item in value)
    return isinstance(value, str) and len(value) > TEXT_MAX
