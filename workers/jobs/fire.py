"""Job `fire`: schedules that are due get runs, and runs get journal entries. Ticked by beat each second.

Any number may run at once. A run is committed first, so an instant that was looked at is never lost; it is written to
the journal next, by this job or, if its worker dies in between, by any later one. The record that the journal keeps
under the notification's id makes a second writing nothing, and `entered_at` ends the attempts.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session

from shared import logs, metrics
from shared.clock import to_ms
from shared.errors import Unavailable
from shared.ids import uuid7
from shared.protocol.firing import fired
from shared.protocol.jobs import Deliver, Fire
from shared.protocol.journal import Entry
from shared.redis.journal import Bounds, Submission, Verdict
from shared.store import schedule_runs as store
from shared.store.schedule_runs import Claimed, Unentered
from workers.deps import Deps
from workers.outcome import Outcome
from workers.settling import QUEUE_OF

log = logs.get(__name__)

TICK_S: Final = 3.0
"""A tick ends after so long; what is left waits for the next one."""
AT_ONCE: Final = 100
"""Runs written to the journal in one call: with the largest bodies some 25 MiB."""
RECORD_S: Final = 3600
"""How long the journal knows that it had an entry. Runs older than half of it are looked up before they are written."""
_NOISE: Final = 10


def run(deps: Deps, _: Fire) -> Outcome:
    """Fire for three seconds at most. Raises RedisUnavailable and errors of the database: the next tick goes on."""
    with deps.database.session() as session:
        if not store.anything_to_do(session, now_ms=deps.clock.now_ms()):
            # The usual case takes no write lock: on SQLite that would stop everybody else.
            return Outcome.NOTHING
    end, more, runs, entered = deps.clock.monotonic() + TICK_S, True, 0, 0
    while more and deps.clock.monotonic() < end:
        claimed = deps.database.run(lambda session: _claim(deps, session))
        runs, more = runs + claimed.runs, claimed.more
        entered += _enter(deps, end)
    if not runs and not entered:
        return Outcome.NOTHING
    log.info("schedules_fired", runs=runs, entered=entered, more=more)
    return Outcome.DONE


def _claim(deps: Deps, session: Session) -> Claimed:
    return store.claim_due(session, now_ms=deps.clock.now_ms(), new_id=_new_id)


def _new_id(now_ms: int) -> str:
    return uuid7(now_ms, os.urandom(_NOISE))


def _enter(deps: Deps, end: float) -> int:
    """Write what waits to the journal until `end`; how many are there now that were not known to be."""
    entered = 0
    unreadable: set[str] = set()
    while deps.clock.monotonic() < end:
        with deps.database.session() as session:
            runs = store.unentered(session, limit=AT_ONCE, without=unreadable)
            templates = store.entries_of(session, {one.schedule_id for one in runs})
        if not runs:
            break
        found, bad = _entries(runs, templates)
        unreadable |= bad
        done = _write(deps, found, _known(deps, runs))
        _mark(deps, done)
        entered += len(done)
        if len(done) < len(found):
            log.warning("schedules_found_journal_full", waiting=len(found) - len(done))
            break
    return entered


def _mark(deps: Deps, ids: Sequence[str]) -> None:
    deps.database.run(lambda session: store.mark_entered(session, ids, now_ms=deps.clock.now_ms()))


def _entries(runs: Sequence[Unentered], templates: dict[str, str]) -> tuple[list[Entry], set[str]]:
    """The entries of these runs, and the schedules of which this worker cannot read what they send."""
    found: list[Entry] = []
    bad = {one.schedule_id for one in runs} - templates.keys()
    for one in runs:
        if one.schedule_id in bad:
            continue
        text, at = templates[one.schedule_id], to_ms(one.created_at)
        try:
            found.append(fired(text, schedule=one.schedule_id, id=one.notification_id, at=at))
        except (ValueError, KeyError, TypeError):
            # Perhaps a newer api wrote it; then it waits for a newer worker.
            log.exception("schedule_unreadable", schedule=one.schedule_id)
            bad.add(one.schedule_id)
    return found, bad


def _known(deps: Deps, runs: Sequence[Unentered]) -> set[str]:
    """Ids that are in the journal although its record of them may have ended."""
    before = deps.clock.now_ms() - RECORD_S * 500
    old = [one.notification_id for one in runs if to_ms(one.created_at) < before]
    return {id for id, raw in zip(old, deps.journal.raw(old), strict=True) if raw is not None}


def _write(deps: Deps, entries: Sequence[Entry], known: set[str]) -> list[str]:
    """Write entries to the journal and enqueue their jobs; the ids of all that are there now."""
    new = [entry for entry in entries if entry.id not in known]
    bounds = Bounds(deps.settings.intake_max, deps.settings.intake_max_bytes, RECORD_S)
    submissions = [Submission([entry], [entry.encode()], (entry.id, "0", "")) for entry in new]
    verdicts = deps.journal.accept(submissions, now_ms=deps.clock.now_ms(), bounds=bounds) if new else []
    stored: dict[str, list[str]] = defaultdict(list)
    done = sorted(known & {entry.id for entry in entries})
    for entry, accepted in zip(new, verdicts, strict=True):
        if accepted.verdict is Verdict.FULL:
            continue
        done.append(entry.id)
        if accepted.verdict is Verdict.STORED:
            stored[entry.priority].append(entry.id)
            metrics.accepted_total.labels(entry.priority).inc()
    for priority, ids in stored.items():
        _enqueue(deps, priority, ids)
    return done


def _enqueue(deps: Deps, priority: str, ids: list[str]) -> None:
    try:
        deps.queue.enqueue(Deliver(ids=ids), queue=QUEUE_OF[priority])
    except Unavailable as error:
        # The reconciler finds the entries.
        metrics.enqueue_failed_total.inc(len(ids))
        log.warning("enqueue_failed", reason=str(error), notifications=len(ids))
