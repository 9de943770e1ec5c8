"""Dead letters: what could not be stored in all its attempts, to look at and to send again.

Rule U. A failed notification is a row in the database; where the row could not even hold what was sent, the content is
in the journal's dead list. A retry writes the journal entry again under the same id, and nothing else: the worker that
stores it replaces the failed row in its own transaction, so at no time is it in neither place. Of a big audience only
some pages may have failed: then these are put back in one transaction, and whoever has it does not get it again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy.orm import Session

from api import instants
from api.cursors import before_id
from shared import logs, metrics
from shared.clock import Clock, rfc3339
from shared.db import Database
from shared.domain import paging
from shared.domain.notification import Status
from shared.errors import Conflict, NotFound, Unavailable
from shared.ids import is_uuid7
from shared.protocol.jobs import Deliver, JobArgs, Page, Queue
from shared.protocol.journal import Entry
from shared.redis.journal import Bounds, Journal, Retried
from shared.store import apps, dead_letters, notifications, page_failures
from shared.store.dead_letters import DeadRow
from shared.store.rows import PageRef

log = logs.get(__name__)

_CURSOR: Final = "dead-letters"
_PAGE: Final = 50
_AT_ONCE: Final = 100
_FULL_RETRY: Final = 5
_ENDING_RETRY: Final = 60
"""Seconds in which the job `expire` has run, which beat ticks."""
_PAGE_JOBS: Final = 100
"""Enqueued at once, some 100 ms; the reconciler finds the other pages within 5 s."""
Document = dict[str, Any]
Enqueue = Callable[[JobArgs, Queue], None]


@dataclass(frozen=True, slots=True)
class _Buried:
    """An entry of the dead list, and why it is there."""

    entry: Entry
    reason: str


class DeadLetters:
    """The failed notifications of an app."""

    def __init__(
        self, database: Database, journal: Journal, enqueue: Enqueue, *, clock: Clock, bounds: Bounds
    ) -> None:
        self._database = database
        self._journal = journal
        self._enqueue = enqueue
        self._clock = clock
        self._bounds = bounds

    def page(self, app: str, query: Document) -> Document:
        """Return a page, the newest accepted first. Raises InvalidRequest."""
        before, limit = before_id(_CURSOR, query.get("cursor")), query.get("limit", _PAGE)
        with self._database.session() as session:
            found = apps.get(session, app)
            # One more than asked for, to know whether there is a next page.
            rows = dead_letters.page(session, found.id, before=before, limit=limit + 1) if found else []
        letters = {row.id: _of_row(row) for row in rows}
        # Past the last row of a full page the dead list may go on, but that is for the next page.
        after = rows[-1].id if len(rows) > limit else ""
        for one in self._buried(app, _between(self._journal.dead(), after, before), limit + 1):
            letters[one.entry.id] = _of_entry(one, letters.get(one.entry.id))
        shown = sorted(letters, reverse=True)
        following = paging.encode(_CURSOR, shown[limit - 1]) if len(shown) > limit else None
        return {"items": [letters[id] for id in shown[:limit]], "next": following}

    def retry(self, app: str, id: str) -> Document:
        """Send a failed one again. Raises NotFound, Conflict, Unavailable."""
        if not is_uuid7(id):
            raise NotFound
        self._refuse_cancelled(app, id)
        if (buried := self._journal.buried(id)) is not None:
            self._send(_own(_decoded(buried), app))
        elif (raw := self._journal.raw([id])[0]) is not None:
            if not _own(_decoded(("", raw)), app).retried:
                raise Conflict("It has not failed: it waits for a worker.")
        elif (entry := self._stored(app, id)) is not None:
            self._send(entry)
        else:
            self._put_back(app, id)
        return {"id": id, "status": "accepted"}

    def _refuse_cancelled(self, app: str, id: str) -> None:
        with self._database.session() as session:
            found = apps.get(session, app)
            row = notifications.find(session, found.id, id) if found else None
        if row is not None and row.status == Status.CANCELLED:
            raise Conflict("It was cancelled.")

    def _stored(self, app: str, id: str) -> Entry | None:
        """The entry to send again; None if it failed in its pages, which may have been put back already."""
        with self._database.session() as session:
            found = apps.get(session, app)
            row = notifications.find(session, found.id, id) if found else None
            if row is None:
                raise NotFound
            if row.status == Status.SENDING and row.failed_at and page_failures.any_waiting(session, id):
                return None
            if row.status != Status.FAILED:
                raise Conflict("It has not failed.")
            if page_failures.any_given_up(session, id):
                return None
            if not row.event:
                # Its content was in the dead list and has been taken out a moment ago.
                raise Conflict("It is being sent again just now.")
            return dead_letters.entry_of(session, app, row)

    def _put_back(self, app: str, id: str) -> None:
        """Send the pages again that failed; nothing if they are on their way. Raises Unavailable."""
        now_ms = self._clock.now_ms()

        def put_back(session: Session) -> Sequence[PageRef]:
            if page_failures.ending(session, id, now_ms=now_ms):
                raise Unavailable("Its ttl ends just now: try again.", retry_after=_ENDING_RETRY)
            return page_failures.put_back(session, id, now_ms=now_ms)

        pages = self._database.run(put_back)
        if pages:
            log.info("notification_retried", id=id, app=app, pages=len(pages))
        for page in pages[:_PAGE_JOBS]:
            if not self._enqueued(Page(id=id, number=page.number), Queue(page.priority)):
                break

    def _send(self, entry: Entry) -> None:
        now_ms = self._clock.now_ms()
        # Its whole life again: most have expired by the time that somebody has repaired the cause.
        again = replace(entry, retried=True, expires_at=max(now_ms, entry.send_at or 0) + entry.ttl * 1000)
        verdict = self._journal.retry(again, now_ms=now_ms, bounds=self._bounds)
        if verdict is Retried.FULL:
            metrics.refused_total.labels("full").inc()
            raise Unavailable("The journal is full: workers do not keep up.", retry_after=_FULL_RETRY)
        if verdict is Retried.WAITING:
            return
        log.info("notification_retried", id=entry.id, app=entry.app, request_id=entry.request_id)
        self._enqueued(Deliver(ids=[entry.id]), Queue(entry.priority))

    def _enqueued(self, job: JobArgs, queue: Queue) -> bool:
        """Enqueue a job, or leave it to the reconciler."""
        try:
            self._enqueue(job, queue)
        except Unavailable as error:
            metrics.enqueue_failed_total.inc()
            log.warning("enqueue_failed", reason=str(error), notifications=1)
            return False
        return True

    def _buried(self, app: str, ids: list[str], limit: int) -> Iterator[_Buried]:
        """At most `limit` of this app's among `ids`, in their order; the dead list holds those of all apps."""
        count = 0
        for start in range(0, len(ids), _AT_ONCE):
            for found in self._journal.buried_of(ids[start : start + _AT_ONCE]):
                one = _decoded(found) if found is not None else None
                if one is not None and one.entry.app == app:
                    yield one
                    count += 1
                if count == limit:
                    return


def _between(ids: Iterable[str], after: str, before: str | None) -> list[str]:
    """Ids of notifications in (after, before), the newest first."""
    return sorted(
        (id for id in ids if is_uuid7(id) and id > after and (before is None or id < before)), reverse=True
    )


def _decoded(found: tuple[str, bytes]) -> _Buried | None:
    """What stands in the journal; None for what is no entry and so belongs to nobody."""
    reason, raw = found
    try:
        return _Buried(Entry.decode(raw), reason)
    except (ValueError, KeyError, TypeError):
        return None


def _own(found: _Buried | None, app: str) -> Entry:
    """The entry, if it is this app's. Raises NotFound."""
    if found is None or found.entry.app != app:
        raise NotFound
    return found.entry


def _of_row(row: DeadRow) -> Document:
    return {
        "id": row.id,
        "event": row.event,
        "priority": row.priority,
        "everyone": row.everyone,
        "recipients": row.recipients,
        "reason": row.error,
        "attempts": row.attempts,
        "accepted_at": instants.write(row.accepted_at),
        "failed_at": instants.write(row.failed_at),
        "sender": row.sender,
        "request_id": row.request_id,
    }


def _of_entry(found: _Buried, row: Document | None) -> Document:
    """What the dead list has, with the times and attempts of the row, if there is one."""
    entry = found.entry
    return {
        "id": entry.id,
        "event": entry.event,
        "priority": entry.priority,
        "everyone": entry.everyone,
        "recipients": None,
        "reason": found.reason,
        "attempts": row["attempts"] if row else None,
        "accepted_at": rfc3339(entry.accepted_at),
        "failed_at": row["failed_at"] if row else None,
        "sender": entry.sender,
        "request_id": entry.request_id,
    }
