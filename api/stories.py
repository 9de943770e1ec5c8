"""The list of an app's notifications, for who has forgotten the id or never had it.

Rule U. From the database; what is accepted and not stored yet is listed by `status=accepted`, from the journal. Whether
one is sent, held or completed stands in no row: it follows from its deliveries, so these three are told apart here.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson
from sqlalchemy.orm import Session

from api import instants
from api import notification_documents as documents
from api.cursors import before_id
from api.tallies import Counting, counted_of
from shared.db import Database
from shared.domain import paging
from shared.domain.notification import Status
from shared.domain.tally import Tally
from shared.errors import NotFound
from shared.protocol.journal import Entry
from shared.redis.journal import Journal
from shared.store import apps, notifications, stories
from shared.store.notifications import NotificationRow
from shared.store.rows import chunks
from shared.store.stories import Wanted

_CURSOR: Final = "notifications"
_PAGE: Final = 50
_DERIVED: Final = frozenset({Status.SENT, Status.HELD, Status.COMPLETED})
_LOOK: Final = 500
"""So many notifications at most are asked for one page whether their deliveries are at their end."""
_AT_ONCE: Final = 100
_JOURNAL: Final = 10_000
_FILTERS: Final = ("event", "sender", "tag", "cancel_key", "collapse_key", "thread_key")
Document = dict[str, Any]
Page = tuple[list[Document], str | None]
"""Items, and the id before which the next page begins."""


class Stories:
    """The notifications of whoever asks."""

    def __init__(self, database: Database, journal: Journal, counting: Counting) -> None:
        self._database = database
        self._journal = journal
        self._counting = counting

    def page(self, app: str, query: Document) -> Document:
        """Return a page, newest first; it may be short, and end only where `next` is null. Raises InvalidRequest."""
        before, limit = before_id(_CURSOR, query.get("cursor")), query.get("limit", _PAGE)
        status = Status(query["status"]) if "status" in query else None
        wanted = Wanted(
            status=Status.SENT if status in _DERIVED else status,
            since=_instant("since", query),
            until=_instant("until", query),
            **{name: query.get(name) for name in _FILTERS},
        )
        if status is Status.ACCEPTED:
            items, after = self._accepted(app, wanted, before, limit)
        else:
            with self._database.session() as session:
                found = apps.get(session, app)
                if found is None:
                    raise NotFound
                if status in _DERIVED:
                    items, after = self._derived(session, found.id, wanted, status, before, limit)
                else:
                    items, after = self._stored(session, found.id, wanted, before, limit)
        return {"items": items, "next": None if after is None else paging.encode(_CURSOR, after)}

    def _stored(self, session: Session, app_id: int, wanted: Wanted, before: str | None, limit: int) -> Page:
        # One more than asked for, to know whether there is a next page.
        rows, end = stories.scan(session, app_id, wanted, before=before, limit=limit + 1)
        shown = rows[:limit]
        counted = self._counting.many(session, shown)
        items = [self._told(session, row, counted.get(row.id)) for row in shown]
        return items, shown[-1].id if len(rows) > limit else end

    def _derived(
        self,
        session: Session,
        app_id: int,
        wanted: Wanted,
        status: Status,
        before: str | None,
        limit: int,
    ) -> Page:
        """Those of what is sent that are called `status`, found by looking at their deliveries."""
        rows, end = stories.scan(session, app_id, wanted, before=before, limit=_LOOK)
        items: list[Document] = []
        for part in chunks(rows, _AT_ONCE):
            counted = self._counting.many(session, part)
            for row in part:
                if row.id not in counted or len(items) == limit:
                    return items, before
                told = self._told(session, row, counted[row.id])
                if told["status"] == status:
                    items.append(told)
                before = row.id
        return items, end

    def _told(self, session: Session, row: NotificationRow, tally: Tally | None) -> Document:
        """One that would take too long to count has no counts, and is called as its row says."""
        if tally is None:
            return documents.of_row(row, row.status, None, None)
        counts = notifications.counts(session, row, counted_of(tally))
        return documents.of_row(row, notifications.status_of(row, counts), counts, tally)

    def _accepted(self, app: str, wanted: Wanted, before: str | None, limit: int) -> Page:
        """Those in the journal that no worker has stored yet."""
        ids = [id for id in self._journal.newest(_JOURNAL) if before is None or id < before]
        items: list[Document] = []
        for part in chunks(ids[:_LOOK], _AT_ONCE):
            for id, entry in zip(part, self._entries(part), strict=True):
                if len(items) == limit:
                    return items, before
                before = id
                if entry is not None and entry.app == app and _matches(entry, wanted):
                    items.append(documents.of_entry(entry, Status.ACCEPTED))
        return items, before if len(ids) > _LOOK else None

    def _entries(self, ids: Sequence[str]) -> Iterator[Entry | None]:
        for raw in self._journal.raw(ids):
            try:
                yield Entry.decode(raw) if raw is not None else None
            except (ValueError, KeyError, TypeError):
                # Of a newer version, or no entry at all: whose it is cannot be said yet.
                yield None


def _matches(entry: Entry, wanted: Wanted) -> bool:
    same = all(
        (value := getattr(wanted, name)) is None or getattr(entry, name) == value
        for name in _FILTERS
        if name != "tag"
    )
    in_time = (wanted.since is None or entry.accepted_at >= wanted.since) and (
        wanted.until is None or entry.accepted_at < wanted.until
    )
    return same and in_time and (wanted.tag is None or wanted.tag in orjson.loads(entry.tags_json))


def _instant(name: str, query: Document) -> int | None:
    return instants.read(name, query[name]) if name in query else None
