"""Cancelling notifications: those stored, those still in the journal, and those between the two.

Rule U. By id it is looked for in the database, the journal, and the database again: a worker takes an entry out of the
journal only after its commit, and a tombstone is left only while the entry is there, so that one of the three says what
becomes of it and nobody hears 404 after a 202. By key the tombstone comes first, and then what is stored is looked for.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from api.validation import invalid
from shared import logs, metrics
from shared.clock import Clock
from shared.domain.audience import recipients
from shared.errors import NotFound, Unavailable
from shared.ids import is_uuid7
from shared.protocol.jobs import Cancel, JobArgs, Queue
from shared.protocol.journal import Entry, UnknownEntryVersion
from shared.redis.client import RedisUnavailable
from shared.redis.journal import Journal
from shared.redis.tombstones import Buried, Receivers, Tombstones
from shared.services.cancellations import KEYED_MAX, Cancellations, Numbers, ToEveryone

log = logs.get(__name__)

Document = dict[str, Any]
Enqueue = Callable[[JobArgs, Queue], None]

_STEPS: Final = 3
"""Of up to 500 users, done before the answer; the job `cancel` goes on."""
_SECONDS: Final = 2.0
"""The same for all notifications of a key together."""
_FULL_RETRY: Final = 5
_NEWER_RETRY: Final = 5
_NOT_SOME: Final = "Must be absent: it went to everyone, and can be cancelled for all only."


class Cancelling:
    """Cancels notifications of the app that sent them."""

    def __init__(
        self,
        cancellations: Cancellations,
        journal: Journal,
        tombstones: Tombstones,
        enqueue: Enqueue,
        *,
        clock: Clock,
    ) -> None:
        self._cancellations = cancellations
        self._journal = journal
        self._tombstones = tombstones
        self._enqueue = enqueue
        self._clock = clock

    def one(self, app: str, id: str, users: Sequence[str] | None) -> Document:
        """Cancel one for all, or for some users. Raises NotFound, InvalidRequest, Unavailable."""
        if not is_uuid7(id):
            raise NotFound
        wanted = None if users is None else frozenset(users)
        found = (
            self._stored(app, id, wanted) or self._waiting(app, id, wanted) or self._stored(app, id, wanted)
        )
        if found is None:
            raise NotFound
        return _document(found)

    def keyed(self, app: str, key: str, users: Sequence[str] | None) -> Document:
        """Cancel all of a key that was accepted until now; those to everyone only where it is for all.

        Raises Unavailable.
        """
        at, wanted = self._clock.now_ms(), None if users is None else frozenset(users)
        self._bury_key(app, key, at, wanted, anyhow=False)
        ids = self._cancellations.of_key(app, key, until_ms=at, users=wanted)
        if len(ids) == KEYED_MAX:
            # Workers find the rest by it.
            self._bury_key(app, key, at, wanted, anyhow=True)
        total, left = Numbers(), list[str]()
        for id in ids:
            try:
                found = self._cancellations.cancel(app, id, wanted) or Numbers()
            except ToEveryone:
                continue
            self._forget(id, found)
            total = Numbers(total.cancelled + found.cancelled, total.already_sent + found.already_sent)
            left += [id] if found.left else []
        self._take_back(left)
        log.info("cancelled_by_key", app=app, notifications=len(ids))
        return _document(total)

    def _stored(self, app: str, id: str, users: Receivers) -> Numbers | None:
        try:
            found = self._cancellations.cancel(app, id, users)
        except ToEveryone:
            raise invalid("users", _NOT_SOME) from None
        if found is None:
            return None
        self._forget(id, found)
        self._take_back([id] if found.left else [])
        log.info("cancelled", app=app, id=id, cancelled=found.cancelled, already_sent=found.already_sent)
        return found

    def _waiting(self, app: str, id: str, users: Receivers) -> Numbers | None:
        """Leave a tombstone on what is accepted and not stored; None if it is not in the journal."""
        entry = _read(self._journal.raw([id])[0])
        if entry is None or entry.app != app:
            return None
        if users is not None and entry.everyone:
            raise invalid("users", _NOT_SOME)
        match self._tombstones.by_id(id, self._clock.now_ms(), users):
            case Buried.WRITTEN:
                log.info("cancelled_in_journal", app=app, id=id)
                return Numbers(_receivers(entry, users))
            case Buried.KNOWN:
                return Numbers()
            case Buried.FULL:
                raise _full()
            case _:
                return None

    def _bury_key(self, app: str, key: str, at: int, users: Receivers, *, anyhow: bool) -> None:
        if self._tombstones.by_key(app, key, at, users, anyhow=anyhow) is Buried.FULL:
            raise _full()

    def _forget(self, id: str, found: Numbers) -> None:
        """Drop what the dead list holds of it."""
        if found.failed:
            try:
                self._journal.forget([id])
            except RedisUnavailable as error:
                log.warning("dead_letter_stays", id=id, reason=error.message)

    def _take_back(self, ids: list[str]) -> None:
        """Begin to take back what is out, and leave the rest to a job; if there can be none, to the next tick."""
        end = self._clock.monotonic() + _SECONDS
        try:
            while ids and (seconds := end - self._clock.monotonic()) > 0:
                after = self._cancellations.go_on(ids[0], seconds=seconds, steps=_STEPS)
                if after is not None:
                    self._later(Cancel(ids=ids[:1], after=after))
                ids = ids[1:]
            if ids:
                self._later(Cancel(ids=ids))
        except RedisUnavailable as error:
            log.warning("retract_not_told", reason=error.message)

    def _later(self, job: Cancel) -> None:
        try:
            self._enqueue(job, job.queue)
        except Unavailable as error:
            metrics.enqueue_failed_total.inc()
            log.warning("enqueue_failed", reason=str(error), notifications=len(job.ids))


def _read(raw: bytes | None) -> Entry | None:
    if raw is None:
        return None
    try:
        return Entry.decode(raw)
    except UnknownEntryVersion:
        raise Unavailable("It was accepted by a newer version.", retry_after=_NEWER_RETRY) from None
    except (ValueError, KeyError, TypeError):
        return None


def _receivers(entry: Entry, users: Receivers) -> int:
    """How many it is cancelled for, as far as its names say; everyone counts as one."""
    if entry.everyone:
        return 1
    named = recipients(entry.users, entry.exclude)
    return len(named) if users is None else len(users.intersection(named))


def _full() -> Unavailable:
    return Unavailable("Too many cancellations wait for workers.", retry_after=_FULL_RETRY)


def _document(found: Numbers) -> Document:
    return {"cancelled": found.cancelled, "already_sent": found.already_sent}
