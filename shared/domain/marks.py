"""What a user's mark does to a delivery, and what that does to the numbers of the inbox.

Rule P. Every action may be repeated: the second time nothing changes. A marked delivery has been received, so it is
delivered; reading implies seeing; what is archived is neither unseen nor unread.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final


class Action(StrEnum):
    """What a user can do with what lies in the inbox."""

    SEEN = "seen"
    READ = "read"
    UNREAD = "unread"
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"


FIELD: Final[dict[Action, str]] = {
    Action.SEEN: "seen_at",
    Action.READ: "read_at",
    Action.UNREAD: "read_at",
    Action.ARCHIVE: "archived_at",
    Action.UNARCHIVE: "archived_at",
}
"""The field that the user's other devices are told about."""

CLEARS: Final = frozenset({Action.UNREAD, Action.UNARCHIVE})
"""Actions that take a mark away."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one delivery."""

    seen_at: datetime | None = None
    read_at: datetime | None = None
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Weight:
    """What one delivery, or a sum of them, adds to the numbers of an inbox."""

    unseen: int = 0
    unread: int = 0
    archived: int = 0

    def __add__(self, other: "Weight") -> "Weight":
        return Weight(self.unseen + other.unseen, self.unread + other.unread, self.archived + other.archived)

    def __sub__(self, other: "Weight") -> "Weight":
        return Weight(self.unseen - other.unseen, self.unread - other.unread, self.archived - other.archived)


def apply(action: Action, marks: Marks, now: datetime) -> Marks:
    """The marks after `action`; the same ones if it changes nothing."""
    match action:
        case Action.SEEN:
            return replace(marks, seen_at=marks.seen_at or now)
        case Action.READ:
            return replace(marks, seen_at=marks.seen_at or now, read_at=marks.read_at or now)
        case Action.UNREAD:
            return replace(marks, read_at=None)
        case Action.ARCHIVE:
            return replace(marks, archived_at=marks.archived_at or now)
        case Action.UNARCHIVE:
            return replace(marks, archived_at=None)


def weigh(marks: Marks) -> Weight:
    """What a delivery with these marks adds to the numbers."""
    here = marks.archived_at is None
    return Weight(
        unseen=int(here and marks.seen_at is None),
        unread=int(here and marks.read_at is None),
        archived=int(not here),
    )
