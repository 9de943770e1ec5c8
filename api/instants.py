"""Instants in requests and answers: RFC 3339, always with a zone.

Rule P.
"""

import re
from datetime import UTC, datetime
from typing import Final

from api.validation import invalid
from shared.clock import rfc3339, to_ms

_SHAPE: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def read(field: str, text: str) -> int:
    """Return epoch milliseconds. Raises InvalidRequest naming `field`."""
    refused = invalid(field, "Not an instant such as 2026-01-31T12:00:00Z.")
    if not _SHAPE.fullmatch(text):
        raise refused
    try:
        return to_ms(datetime.fromisoformat(text.upper()).astimezone(UTC))
    except (ValueError, OverflowError):
        raise refused from None


def write(instant: datetime | None) -> str | None:
    """Spell an instant of the database; None stays None."""
    return None if instant is None else rfc3339(to_ms(instant))
