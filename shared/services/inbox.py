"""A user's inbox: list it, count it, mark in it. For the HTTP routes and for marks that come over a socket.

Rule U. Both ways meet here, so that a device which reads over HTTP and one which reads over its socket change the same
rows in the same transaction shape, and tell the others the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy.orm import Session

from shared.clock import rfc3339, to_ms
from shared.domain import paging
from shared.domain.marks import CLEARS, FIELD, Action
from shared.errors import InvalidRequest, NotFound
from shared.protocol.envelope import Counts, Record
from shared.protocol.frames import author
from shared.store import apps, counts, inbox, marks, names, streams
from shared.store.apps import AppRow
from shared.store.bulk import bulk_for
from shared.store.marks import Filter

__all__ = ["Filter", "Listing", "Marked", "Page", "counts_of", "mark", "page"]

_CURSOR: Final = "inbox"


@dataclass(frozen=True, slots=True)
class Listing:
    """What to list: `state` is unread, read, archived, or None for all that is not archived. `changed_since` is a rev
    and lists what changed after it, archived ones too."""

    state: str | None = None
    event: str | None = None
    changed_since: int | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Items as documents for orjson, newest first, and where the next page begins."""

    items: list[dict[str, Any]]
    next: str | None


@dataclass(frozen=True, slots=True)
class Marked:
    """What a mark changed. `fields` is what a `state` frame says of the ids; `record` goes to Redis under `epoch` and
    `app_top`."""

    changed_ids: list[str]
    counts: Counts
    rev: int
    fields: dict[str, str | None]
    record: Record
    epoch: str
    app_top: int


def page(session: Session, app: str, user: str, listing: Listing, now_ms: int) -> Page:
    """A page of the inbox. Raises NotFound for an unknown app, InvalidRequest for a bad cursor."""
    found = _app(session, app)
    stream = streams.find(session, found.id, user)
    # The tops as they are now: what arrives while somebody turns pages does not push others from page to page.
    tops = (stream.last_seq if stream else 0, found.all_seq)
    me, all = _positions(listing.cursor) or (tops[0] + 1, tops[1] + 1)
    query = inbox.Query(
        state=listing.state,
        event=listing.event,
        changed_since=listing.changed_since,
        me_before=me,
        all_before=all,
        limit=listing.limit,
    )
    part = inbox.read(session, found, stream.user_id if stream else None, query, now_ms=now_ms)
    following = paging.encode(_CURSOR, part.me, part.all) if part.more else None
    return Page([_document(item) for item in part.items], following)


def counts_of(session: Session, app: str, user: str, now_ms: int) -> Counts:
    """The four numbers. Raises NotFound for an unknown app."""
    found = _app(session, app)
    stream = streams.find(session, found.id, user)
    user_id = stream.user_id if stream else None
    everyone = counts.of_everyone(session, found, [user_id], now_ms=now_ms)[user_id]
    return counts.added(stream.record(user).own, everyone) if stream else everyone


def mark(
    session: Session, app: str, user: str, action: str, what: Sequence[str] | Filter, now_ms: int
) -> Marked:
    """Set or take a mark on these ids, or on all that the filter finds; a second time nothing changes.

    Raises NotFound for an unknown app, InvalidRequest for an unknown action, RunAgain.
    """
    if action not in set(Action):
        raise _invalid("action", f"Must be one of {', '.join(Action)}.")
    found, wanted = _app(session, app), Action(action)
    user_id = names.resolve(session, bulk_for(session), found.id, [user], now_ms=now_ms)[user]
    changed, stream = marks.mark(session, found, user_id, wanted, what, now_ms)
    record = streams.record(session, found, user, stream, now_ms=now_ms)
    return Marked(
        changed_ids=changed,
        counts=counts.added(record.own, record.everyone or Counts()),
        rev=record.rev,
        fields={FIELD[wanted]: None if wanted in CLEARS else rfc3339(now_ms)},
        record=record,
        epoch=found.epoch,
        app_top=found.all_seq,
    )


def _app(session: Session, name: str) -> AppRow:
    found = apps.get(session, name)
    if found is None:
        raise NotFound
    return found


def _positions(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    try:
        me, all = paging.decode(_CURSOR, cursor, (int, int))
    except paging.BadCursor:
        raise _invalid("cursor", "Not a cursor of this list.") from None
    return me, all


def _document(item: inbox.Item) -> dict[str, Any]:
    times = {
        name: getattr(item, name) for name in ("sent_at", "seen_at", "read_at", "archived_at", "expires_at")
    }
    written = {name: None if at is None else rfc3339(to_ms(at)) for name, at in times.items()}
    return {
        "id": item.id,
        "stream": item.stream,
        "seq": item.seq,
        "event": item.event,
        "data": orjson.Fragment(item.data),
        "from": author(item.sender),
        **written,
    }


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {message}", detail=[{"field": field, "message": message}])
