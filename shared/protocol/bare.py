"""Data that is no object, as one contract that was taken over sends it: kept in an object, handed over as it was.

Everywhere else data is an object, and whoever reads it may rely on that.
"""

from typing import Any, Final

VALUE: Final = "$value"


def wrapped(value: Any) -> dict[str, Any]:
    """The object that stands for a value; an object stands for itself, unless it looks like one of these."""
    return value if isinstance(value, dict) and not is_bare(value) else {VALUE: value}


def is_bare(data: dict[str, Any]) -> bool:
    """Whether this object stands for its one value."""
    return len(data) == 1 and VALUE in data
