"""The list of an app's notifications, newest first, narrowed by what a sender remembers of one.

By id, which is by the time of acceptance. Keys and rare states have an index in that order. What has none is looked for
in a window of at most 10,000 rows a page, so that no page reads on through ten million that do not match: it is short
then, or empty, and says where to go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import ColumnElement, ColumnExpressionArgument, literal, select, text
from sqlalchemy.orm import Session

from shared.domain.notification import Status
from shared.models import tables as t
from shared.models.notification import RARE
from shared.store.notifications import COLUMNS, NotificationRow

_N = t.notifications.c

Condition = ColumnExpressionArgument[bool]
WINDOW: Final = 10_000
_RARE: Final = frozenset({Status.SCHEDULED, Status.CANCELLED, Status.EXPIRED, Status.FAILED})
_KEYS: Final = ("cancel_key", "collapse_key", "thread_key")
_LAST_MS: Final = 2**48 - 1
_LEFT_OUT: Final = {"data": "{}", "excluded": None}
"""Columns that may be as long as a body, and that no list tells."""
_SUMMARY: Final[list[ColumnElement[Any]]] = [
    literal(_LEFT_OUT[column.name]).label(column.name) if column.name in _LEFT_OUT else column
    for column in COLUMNS
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which notifications. `status` is a stored one; `since` and `until` (exclusive) are epoch milliseconds."""

    event: str | None = None
    status: Status | None = None
    sender: str | None = None
    tag: str | None = None
    cancel_key: str | None = None
    collapse_key: str | None = None
    thread_key: str | None = None
    since: int | None = None
    until: int | None = None


class Found(NamedTuple):
    """Matching rows, the newest first, and the id before which the rest lies; None: there is no more."""

    rows: list[NotificationRow]
    before: str | None


def scan(
    session: Session, app_id: int, wanted: Wanted, *, before: str | None, limit: int, window: int = WINDOW
) -> Found:
    """At most `limit` of an app's notifications older than the id `before`; looks at no more than `window` rows.

    `data` and `excluded` are not read.
    """
    indexed = _index(wanted)
    base: list[Condition] = [_N.app_id == app_id, *_between(wanted), *_indexed(indexed, wanted)]
    if before is not None:
        base.append(_N.id < before)
    rest = _rest(indexed, wanted)
    floor = _floor(session, base, window) if rest else None
    if floor is not None:
        rest.append(_N.id >= floor)
    statement = select(*_SUMMARY).where(*base, *rest).order_by(_N.id.desc()).limit(limit)
    found = [NotificationRow(*row) for row in session.execute(statement)]
    end = found[-1].id if len(found) == limit else floor
    return Found([row for row in found if _tagged(row, wanted.tag)], end)


def _floor(session: Session, base: Sequence[Condition], window: int) -> str | None:
    """The last id of a full window, None if fewer are left: found in the index alone, no row is read for it."""
    ids = select(_N.id).where(*base).order_by(_N.id.desc())
    return session.scalar(ids.offset(window - 1).limit(1))


def _index(wanted: Wanted) -> str | None:
    """The filter whose index gives the order: a key before a state, since fewer share it."""
    for name in _KEYS:
        if getattr(wanted, name) is not None:
            return name
    return "status" if wanted.status in _RARE else None


def _indexed(name: str | None, wanted: Wanted) -> list[Condition]:
    if name is None:
        return []
    found = [_N[name] == getattr(wanted, name)]
    # Spelled as in the index, or SQLite does not see that it may use it.
    return [text(RARE), *found] if name == "status" else found


def _rest(indexed: str | None, wanted: Wanted) -> list[ColumnElement[bool]]:
    """What each row has to be asked."""
    asked = [name for name in (*_KEYS, "status", "event", "sender") if name != indexed]
    found = [_N[name] == value for name in asked if (value := getattr(wanted, name)) is not None]
    if wanted.tag is not None:
        found.append(_N.tags.contains(orjson.dumps(wanted.tag).decode(), autoescape=True))
    return found


def _between(wanted: Wanted) -> list[ColumnElement[bool]]:
    found = []
    if wanted.since is not None:
        found.append(_N.id >= first_id(wanted.since))
    if wanted.until is not None:
        found.append(_N.id < first_id(wanted.until))
    return found


def first_id(ms: int) -> str:
    """What no id of this millisecond or a later one is below."""
    time = f"{min(max(ms, 0), _LAST_MS):012x}"
    return f"{time[:8]}-{time[8:]}-0000-0000-000000000000"


def _tagged(row: NotificationRow, tag: str | None) -> bool:
    """The text may hold what looks like the tag across the ends of two others."""
    return tag is None or tag in orjson.loads(row.tags)
