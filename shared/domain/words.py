"""What names may look like: users, events, labels and tags, wherever somebody writes one.

Rule P. Patterns are texts that Python and pydantic (Rust) read alike; here they are meant from end to end.
"""

import re
import unicodedata
from typing import Final

USER_MAX: Final = 128
LABEL_MAX: Final = 128
TAG_MAX: Final = 64
TAGS_MAX: Final = 16

_PLAIN: Final = r"[^\x00-\x1f\x7f]"
_VISIBLE: Final = r"[^\x00-\x1f\x7f\s]"
USER: Final = f"{_PLAIN}*{_VISIBLE}{_PLAIN}*"
LABEL: Final = f"{_PLAIN}*"
EVENT_MAX: Final = 100
EVENT: Final = rf"[A-Za-z0-9._:/-]{{1,{EVENT_MAX}}}"

_USER: Final = re.compile(USER)
_LABEL: Final = re.compile(LABEL)
_EVENT: Final = re.compile(EVENT)


def is_user(text: object) -> bool:
    """Whether it is the id of a user: 1 to 128 characters, no control characters, not only spaces."""
    return isinstance(text, str) and len(text) <= USER_MAX and _USER.fullmatch(text) is not None


def is_unmistakable(user: str) -> bool:
    """Whether an id shows all there is to it: nothing invisible, no space around it, nothing that stands for others.

    For names that strangers choose (after RFC 8265 section 3.4): "ana" and what looks the same would be two users, and
    one could pass for the other.
    """
    shown = user.isprintable() and user == user.strip()
    return shown and unicodedata.normalize("NFKC", user) == user


def is_event(text: object) -> bool:
    """Whether it names an event: 1 to 100 of A-Z a-z 0-9 . _ : / -"""
    return isinstance(text, str) and _EVENT.fullmatch(text) is not None


def is_label(text: object, most: int = LABEL_MAX) -> bool:
    """Whether it is a key or tag: 1 to `most` characters, no control characters."""
    return isinstance(text, str) and 0 < len(text) <= most and _LABEL.fullmatch(text) is not None
