"""Cursors of lists: opaque text that says where the next page begins.

Rule P. A cursor names its list, so that one of another list is refused instead of read as nonsense.
"""

import base64
import binascii
import re
from typing import Any

import orjson

_TEXT = re.compile(r"[A-Za-z0-9_-]{1,400}\Z", re.ASCII)


class BadCursor(ValueError):
    """Text that this list did not make."""


def encode(kind: str, *position: int | str) -> str:
    """A cursor of list `kind` at `position`."""
    return base64.urlsafe_b64encode(orjson.dumps([kind, *position])).rstrip(b"=").decode()


def decode(kind: str, text: str, types: tuple[type, ...]) -> list[Any]:
    """The position in a cursor of list `kind`, each value of its type. Raises BadCursor."""
    if not _TEXT.match(text):
        raise BadCursor("not a cursor")
    try:
        found = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, orjson.JSONDecodeError) as error:
        raise BadCursor("not a cursor") from error
    if not isinstance(found, list) or len(found) != len(types) + 1 or found[0] != kind:
        raise BadCursor("a cursor of another list")
    position = found[1:]
    if any(type(value) is not wanted for value, wanted in zip(position, types, strict=True)):
        raise BadCursor("not a cursor")
    return position
