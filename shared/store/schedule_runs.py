"""schedule_runs: firing what is due, once each, and what is still to be written to the journal.

Who fires a schedule holds its row, so of several only one computes its instants. The key of a run is the schedule and
the instant: whatever computes an instant again, after a clock was put back or a schedule was changed, finds its run.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from shared import logs
from shared.clock import to_datetime
from shared.domain.schedules import Due, Fire, Reason, due
from shared.models import tables as t
from shared.store.rows import chunks
from shared.store.schedules import ScheduleRow, columns, row_of

log = logs.get(__name__)

_S, _R = t.schedules.c, t.schedule_runs.c
RUNS = 1000
"""Runs of one transaction after which no further schedule is begun."""
PURGE = 500
"""Runs that one step of the purge deletes."""
NewId = Callable[[int], str]
"""A UUIDv7 for the time given, never twice the same."""


class Unentered(NamedTuple):
    """A run whose notification is not in the journal yet."""

    schedule_id: str
    notification_id: str
    created_at: datetime


class RunRow(NamedTuple):
    """A run as it is stored."""

    fire_at: datetime
    notification_id: str | None
    reason: str
    since: datetime | None
    created_at: datetime
    entered_at: datetime | None


@dataclass(slots=True)
class Claimed:
    """What one transaction did. `schedules` were moved on, `runs` are new; `more`: there may be more to do."""

    schedules: int = 0
    runs: int = 0
    more: bool = False
    values: list[dict[str, Any]] = field(default_factory=list, repr=False)
    moves: list[dict[str, Any]] = field(default_factory=list, repr=False)


def anything_to_do(session: Session, *, now_ms: int) -> bool:
    """Whether a schedule is due or a run waits; takes no lock."""
    late = select(_S.id).where(_S.next_at <= to_datetime(now_ms)).limit(1)
    return session.execute(late).first() is not None or bool(unentered(session, limit=1))


def claim_due(session: Session, *, now_ms: int, new_id: NewId, limit: int = 100) -> Claimed:
    """Write the runs of at most `limit` schedules that are due, and move these on. Raises RunAgain."""
    found = lock_due(session, now_ms=now_ms, limit=limit)
    claimed = Claimed()
    for row in found:
        if len(claimed.values) >= RUNS:
            break
        _fire(claimed, row, now_ms=now_ms, new_id=new_id)
    new = _missing(session, claimed.values)
    if new:
        session.execute(insert(t.schedule_runs), new)
    if claimed.moves:
        moved: dict[str, Any] = {
            name: bindparam(f"new_{name}") for name in ("next_at", "skip_at", "paused_at")
        }
        session.connection().execute(
            update(t.schedules).where(_S.id == bindparam("of")).values(moved), claimed.moves
        )
    claimed.runs, claimed.schedules = len(new), len(claimed.moves)
    claimed.more = len(found) == limit or len(claimed.moves) < len(found)
    return claimed


def lock_due(session: Session, *, now_ms: int, limit: int) -> list[ScheduleRow]:
    """Schedules that are due and that no other process is firing, the longest due first."""
    statement = (
        select(*columns())
        .where(_S.next_at <= to_datetime(now_ms))
        .order_by(_S.next_at, _S.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [row_of(row) for row in session.execute(statement)]


def _fire(claimed: Claimed, row: ScheduleRow, *, now_ms: int, new_id: NewId) -> None:
    paused_at = None
    try:
        found = decide(row, now_ms)
    except Exception:
        # A zone that this machine does not know any more, say. It must not stop all the others.
        log.exception("schedule_paused_by_a_fault", schedule=row.id)
        found, paused_at = Due((), None), to_datetime(now_ms)
    claimed.values += [_run(row.id, one, now_ms=now_ms, new_id=new_id) for one in found.fires]
    over = row.left_out is not None and row.left_out <= now_ms
    claimed.moves.append(
        {
            "of": row.id,
            "new_next_at": None if found.next is None else to_datetime(found.next),
            "new_skip_at": None if over else row.skip_at,
            "new_paused_at": paused_at,
        }
    )


def decide(row: ScheduleRow, now_ms: int) -> Due:
    """What becomes of a schedule that is due."""
    next_at = row.due_at or now_ms
    return due(row.timing, next_at=next_at, now=now_ms, catch_up=row.catching_up, skip_at=row.left_out)


def _run(schedule_id: str, fire: Fire, *, now_ms: int, new_id: NewId) -> dict[str, Any]:
    now, nothing = to_datetime(now_ms), fire.reason is Reason.SKIPPED
    return {
        "schedule_id": schedule_id,
        "fire_at": to_datetime(fire.at),
        "notification_id": None if nothing else new_id(now_ms),
        "reason": str(fire.reason),
        "since": None if fire.since is None else to_datetime(fire.since),
        "request_key": None,
        "created_at": now,
        "entered_at": now if nothing else None,
    }


def _missing(session: Session, values: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those runs that are not there yet."""
    if not values:
        return []
    first, last = min(one["fire_at"] for one in values), max(one["fire_at"] for one in values)
    known: set[tuple[str, datetime]] = set()
    for part in chunks(sorted({one["schedule_id"] for one in values})):
        between = _R.schedule_id.in_(part) & _R.fire_at.between(first, last)
        known |= {(id, at) for id, at in session.execute(select(_R.schedule_id, _R.fire_at).where(between))}
    return [one for one in values if (one["schedule_id"], one["fire_at"]) not in known]


def run_now(
    session: Session, schedule_id: str, *, now_ms: int, new_id: NewId, request_key: str | None
) -> tuple[RunRow, bool]:
    """Add a run that is no instant of the schedule's; (run, whether the request has made it before)."""
    if request_key is not None:
        known = _runs(session, (_R.schedule_id == schedule_id) & (_R.request_key == request_key), limit=1)
        if known:
            return known[0], True
    # Instants are whole seconds: it takes none of theirs.
    fire = Fire(now_ms + (now_ms % 1000 == 0), Reason.RUN_NOW)
    values = _run(schedule_id, fire, now_ms=now_ms, new_id=new_id)
    session.execute(insert(t.schedule_runs).values({**values, "request_key": request_key}))
    return _runs(session, (_R.schedule_id == schedule_id) & (_R.fire_at == values["fire_at"]), limit=1)[
        0
    ], False


def page(
    session: Session, schedule_id: str, *, before_ms: int | None = None, limit: int = 100
) -> list[RunRow]:
    """The runs of a schedule before an instant, the newest first."""
    mine = _R.schedule_id == schedule_id
    if before_ms is not None:
        mine &= _R.fire_at < to_datetime(before_ms)
    return _runs(session, mine, limit=limit)


def _runs(session: Session, condition: Any, *, limit: int) -> list[RunRow]:
    fields = (_R.fire_at, _R.notification_id, _R.reason, _R.since, _R.created_at, _R.entered_at)
    found = select(*fields).where(condition).order_by(_R.fire_at.desc()).limit(limit)
    return [RunRow(*row) for row in session.execute(found)]


def unentered(session: Session, *, limit: int, without: Collection[str] = ()) -> list[Unentered]:
    """Runs that are not in the journal yet, the oldest first, but for those of the schedules `without`."""
    statement = (
        select(_R.schedule_id, _R.notification_id, _R.created_at)
        .where(_R.entered_at.is_(None), _R.schedule_id.not_in(sorted(without)))
        .order_by(_R.created_at, _R.fire_at, _R.schedule_id)
        .limit(limit)
    )
    return [Unentered(*row) for row in session.execute(statement)]


def entries_of(session: Session, ids: Collection[str]) -> dict[str, str]:
    """What these schedules send; those that are gone are left out."""
    found: dict[str, str] = {}
    for part in chunks(sorted(ids)):
        found |= {
            row.id: row.entry for row in session.execute(select(_S.id, _S.entry).where(_S.id.in_(part)))
        }
    return found


def mark_entered(session: Session, ids: Sequence[str], *, now_ms: int) -> None:
    """Write down that these notifications are in the journal."""
    for part in chunks(sorted(ids)):
        waiting = _R.notification_id.in_(part) & _R.entered_at.is_(None)
        session.execute(update(t.schedule_runs).where(waiting).values(entered_at=to_datetime(now_ms)))


def any_old(session: Session, before_ms: int) -> bool:
    """Whether the purge would find something; takes no lock."""
    return session.execute(_old(before_ms).limit(1)).first() is not None


def purge(session: Session, before_ms: int, *, limit: int = PURGE) -> int:
    """Delete at most `limit` runs that were made before `before_ms`, and are entered; how many there were."""
    found = session.execute(_old(before_ms).limit(limit).with_for_update(skip_locked=True)).all()
    if found:
        one = (_R.schedule_id == bindparam("of")) & (_R.fire_at == bindparam("at"))
        gone = delete(t.schedule_runs).where(one)
        session.connection().execute(gone, [{"of": id, "at": at} for id, at in found])
    return len(found)


def _old(before_ms: int) -> Select[str, datetime]:
    before = to_datetime(before_ms)
    old = select(_R.schedule_id, _R.fire_at).where(_R.created_at < before, _R.entered_at.is_not(None))
    return old.order_by(_R.created_at)
