"""What became of a notification: from the database, or from the journal while it is not there yet.

Rule U. Asked in the order database, journal, database again: a worker takes the entry out of the journal only after its
commit, so an accepted notification is found in one of the three and a sender never hears 404 after a 202.
"""

from typing import Any, Final

from api import instants
from api import notification_documents as documents
from api.tallies import Counting, counted_of
from api.validation import invalid
from shared.db import Database
from shared.domain import paging
from shared.domain.notification import Status
from shared.errors import NotFound, Unavailable
from shared.ids import is_uuid7
from shared.protocol.journal import Entry, UnknownEntryVersion
from shared.redis.client import RedisUnavailable
from shared.redis.journal import Journal
from shared.redis.tombstones import Tombstones
from shared.store import apps, deliveries, notifications
from shared.store.deliveries import DeliveryRow

_CURSOR: Final = "deliveries"
_PAGE: Final = 100
_NEWER_RETRY: Final = 5
Document = dict[str, Any]


class Following:
    """Tells the app that sent a notification what became of it, and nobody else."""

    def __init__(
        self, database: Database, journal: Journal, counting: Counting, tombstones: Tombstones
    ) -> None:
        self._database = database
        self._journal = journal
        self._counting = counting
        self._tombstones = tombstones

    def find(self, app: str, id: str) -> Document:
        """Return a notification. Raises NotFound."""
        found = self._stored(app, id) or self._waiting(app, id) or self._stored(app, id)
        if found is None:
            raise NotFound
        if found["status"] == Status.FAILED:
            return self._retried(app, id) or found
        return found

    def deliveries(self, app: str, id: str, query: Document) -> Document:
        """Return a page of its deliveries; none as long as it is not stored. Raises NotFound, InvalidRequest."""
        after, limit = _after(query.get("cursor")), query.get("limit", _PAGE)
        with self._database.session() as session:
            found = apps.get(session, app)
            row = notifications.find(session, found.id, id) if found else None
            if row is not None:
                # One more than asked for, to know whether there is a next page.
                rows = deliveries.page(
                    session,
                    row,
                    state=query.get("state"),
                    user=query.get("user"),
                    after=after,
                    limit=limit + 1,
                )
                return _page(rows, limit)
        self.find(app, id)
        return {"items": [], "next": None}

    def _stored(self, app: str, id: str) -> Document | None:
        if not is_uuid7(id):
            return None
        with self._database.session() as session:
            found = apps.get(session, app)
            row = notifications.find(session, found.id, id) if found else None
            if row is None:
                return None
            tally = self._counting.one(session, row)
            counts = notifications.counts(session, row, counted_of(tally))
            hops = notifications.timeline(session, row, counted_of(tally))
        summary = documents.of_row(row, notifications.status_of(row, counts), counts, tally)
        return documents.whole(summary, row.data, documents.hops_of_row(hops))

    def _retried(self, app: str, id: str) -> Document | None:
        """A failed one that waits to be stored again, if the journal can tell."""
        try:
            raw = self._journal.raw([id])[0]
        except RedisUnavailable:
            return None
        entry = _read(raw) if raw is not None else None
        return _accepted(entry) if entry is not None and entry.retried and entry.app == app else None

    def _waiting(self, app: str, id: str) -> Document | None:
        """Look among what is accepted and not stored, and among what could not be stored at all."""
        if not is_uuid7(id):
            return None
        raw = self._journal.raw([id])[0]
        if raw is not None:
            entry = _read(raw)
            if entry is None or entry.app != app:
                return None
            cancelled = self._tombstones.of([entry]).get(id, frozenset()) is None
            return _accepted(entry, status=Status.CANCELLED if cancelled else Status.ACCEPTED)
        buried = self._journal.buried(id)
        if buried is None:
            return None
        reason, raw = buried
        entry = _read(raw)
        return _accepted(entry, failed=reason) if entry is not None and entry.app == app else None


def _read(raw: bytes) -> Entry | None:
    """An entry of the journal; None for what is none, which belongs to nobody. Raises Unavailable for a newer one."""
    try:
        return Entry.decode(raw)
    except UnknownEntryVersion:
        # Accepted by a newer api beside this one, so not 404: whose it is can be said when it is stored.
        raise Unavailable("It was accepted by a newer version.", retry_after=_NEWER_RETRY) from None
    except (ValueError, KeyError, TypeError):
        return None


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        (after,) = paging.decode(_CURSOR, cursor, (int,))
    except paging.BadCursor:
        raise invalid("cursor", "Not a cursor of this list.") from None
    return after if isinstance(after, int) else 0


def _page(rows: list[DeliveryRow], limit: int) -> Document:
    shown = rows[:limit]
    following = paging.encode(_CURSOR, shown[-1].user_id) if len(rows) > limit else None
    return {"items": [_delivery(row) for row in shown], "next": following}


def _delivery(row: DeliveryRow) -> Document:
    times = {
        "held_until": row.held_until,
        "released_at": row.released_at,
        "sent_at": row.sent_at,
        "delivered_at": row.delivered_at,
        "seen_at": row.seen_at,
        "read_at": row.read_at,
    }
    return {
        "user": row.user,
        "state": row.state,
        "reason": row.reason,
        "seq": row.seq,
        **{name: instants.write(at) for name, at in times.items()},
    }


def _accepted(entry: Entry, *, failed: str | None = None, status: Status = Status.ACCEPTED) -> Document:
    summary = documents.of_entry(entry, Status.FAILED if failed else status)
    return documents.whole(summary, entry.data_json, documents.hops_of_entry(entry, failed))
