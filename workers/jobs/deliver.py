"""Job `deliver`: store a group of journal entries in one transaction and publish it. Hops 5 and 6 of 9.

Order: commit, publish, clear the journal, write down that it was published. A death anywhere in between leaves either
the entry or a row without `published_at`, and both are found: a second copy of this job reads the same frames back.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from shared import logs, metrics
from shared.protocol.jobs import Deliver
from shared.protocol.journal import Entry
from shared.redis.tombstones import Receivers
from shared.store.groups import store_group
from shared.store.rows import StoredGroup
from workers.blame import whose_fault
from workers.deps import Deps
from workers.entries import take_entries
from workers.failures import describe, timed_out
from workers.giving_up import count_failure
from workers.isolation import Isolated, by_weight, isolate
from workers.outcome import Outcome
from workers.quotas import charge_stored
from workers.settling import settle

log = logs.get(__name__)

NAMES_MAX = 2000
"""Receivers of one transaction. It bounds the time that streams stay locked and that Redis runs one script."""


def run(deps: Deps, args: Deliver) -> Outcome:
    """Store what is still in the journal, along with what else waits there, publish it, and count what failed."""
    taken = take_entries(deps, args)
    entries = taken.entries
    if not entries:
        return Outcome.NOTHING
    first = [entry.accepted_at for entry in entries if not entry.retried]
    if first and not args.rescue:
        age_s = (deps.clock.now_ms() - max(first)) / 1000
        metrics.queue_age_seconds.labels(queue=entries[0].priority).set(age_s)
    page_size = deps.settings.page_size
    # A bigger audience is only written down as pages here; their names are stored by jobs of their own.
    weights = [_weight(entry, page_size) for entry in entries]
    groups = by_weight(entries, weights, limit=NAMES_MAX)
    found = isolate(
        groups, lambda group: _store(deps, group, taken.cancelled), lambda error: whose_fault(deps, error)
    )
    for stored in found.stored:
        settle(deps, stored, entries, rescue=args.rescue)
        charge_stored(deps, entries, stored.stored_ids)
    for entry, error in found.failed:
        count_failure(deps, entry, error, alone=True)
    if found.stopped is not None and timed_out(found.stopped):
        for entry in found.untried:
            count_failure(deps, entry, found.stopped, alone=len(entries) == 1)
    _log(entries, found, rescue=args.rescue)
    return _outcome(found)


def _weight(entry: Entry, page_size: int) -> int:
    """Receivers that this transaction may store: of topics or segments anybody's guess, but never more than a page."""
    if entry.topics or entry.segments:
        return page_size
    return len(entry.users) if len(entry.users) <= page_size else 1


def _store(deps: Deps, entries: Sequence[Entry], cancelled: Mapping[str, Receivers]) -> StoredGroup:
    def write(session: Session) -> StoredGroup:
        return store_group(
            session,
            entries,
            # Read again for each attempt: a transaction that waited for a lock stores the time of its commit.
            now_ms=deps.clock.now_ms(),
            push_after_s=deps.settings.push_after,
            page_size=deps.settings.page_size,
            cancelled=cancelled,
        )

    stored = deps.database.run(write)
    # A retried one was accepted long ago, and its wait was somebody's decision.
    first = [entry.accepted_at for entry in entries if not entry.retried]
    if first:
        metrics.accept_to_stored_seconds.observe((deps.clock.now_ms() - min(first)) / 1000)
    return stored


def _outcome(found: Isolated[Entry, StoredGroup]) -> Outcome:
    if timed_out(found.stopped):
        return Outcome.TIMEOUT
    if found.stopped is not None:
        return Outcome.AWAY
    return Outcome.PARTLY if found.failed else Outcome.DONE


def _log(entries: Sequence[Entry], found: Isolated[Entry, StoredGroup], *, rescue: bool) -> None:
    """One line for the group: whoever looks for a request id finds what became of it."""
    fields = {
        "entries": len(entries),
        "stored": sum(len(group.stored_ids) for group in found.stored),
        "again": sum(len(group.already) for group in found.stored),
        "failed": len(found.failed),
        "untried": len(found.untried),
        "rescue": rescue,
        "request_ids": " ".join(dict.fromkeys(entry.request_id for entry in entries)),
    }
    if found.stopped is None:
        log.info("group_stored", **fields)
    else:
        log.warning("group_stopped", error=describe(found.stopped), **fields)
