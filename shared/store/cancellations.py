"""Cancelling what is stored: nothing more of it goes out, whatever is left to be stored, released or published.

One short transaction decides and counts; what has gone out is taken back after that, step by step
(shared.store.retractions). Lock order: notification, pages, users' streams. Who is about to publish it at this moment
finds `cancelled_at` when noting that it was published, and takes it back again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from sqlalchemy import Row, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.delivery import State
from shared.domain.fate import Reason
from shared.domain.notification import Status
from shared.models import tables as t
from shared.store import apps, audiences, names
from shared.store.apps import AppRow
from shared.store.bulk import bulk_for
from shared.store.pages import conclude
from shared.store.retractions import NOTIFICATION, STEP, TakenBack, take_from
from shared.store.rows import chunks

_N, _D, _P, _U = t.notifications.c, t.deliveries.c, t.pages.c, t.users.c
_Row = Row[*tuple[Any, ...]]

_ENDED: Final = (Status.CANCELLED, Status.EXPIRED)
_TAKEABLE: Final = (State.PENDING, State.HELD, State.DELIVERED, State.FAILED)
_PAGES_AT_ONCE: Final = 20
NOT_STARTED: Final = (Status.SCHEDULED, Status.FAILED)
"""Where the audience may still hold topics that nobody has resolved."""


class ToEveryone(ValueError):
    """It went to everyone: it can be cancelled for all only."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a call cancelled: deliveries that were prevented, and deliveries that were out. `left`: there are some to be
    taken back; `failed`: it was a dead letter."""

    cancelled: int = 0
    already_sent: int = 0
    left: bool = False
    failed: bool = False
    taken: list[TakenBack] = field(default_factory=list)


def cancel(session: Session, app_id: int, id: str, *, now_ms: int) -> Numbers | None:
    """Cancel a notification for all; zeros if it is cancelled or expired already. None: the app has no such one."""
    row = _locked(session, app_id, id)
    if row is None:
        return None
    if row.status in _ENDED:
        return Numbers(left=row.status == Status.CANCELLED and row.expired_at is None)
    now = to_datetime(now_ms)
    # Waits for a page that is being stored, and leaves it then.
    unstored = and_(_P.notification_id == id, _P.stored_at.is_(None))
    dropped = session.execute(delete(t.pages).where(unstored)).rowcount  # type: ignore[attr-defined]
    numbers = _everyones(row) if row.everyone else _counted(session, row, dropped=bool(dropped))
    values: dict[str, Any] = {
        "status": Status.CANCELLED,
        "cancelled_at": now,
        "due_at": None,
        "next_attempt_at": None,
        # It is never resolved now, so nobody's name needs to stay.
        "audience": audiences.nameless(row.audience),
    }
    if dropped or row.status != Status.SENDING:
        # Nobody has it in hand, at most a page: that is marked by itself.
        values["published_at"] = row.published_at or now
    values["expired_at"] = None if numbers.left else now
    session.execute(update(t.notifications).where(_N.id == id).values(values))
    return numbers


def cancel_for(
    session: Session, app: AppRow, id: str, users: Collection[str], *, now_ms: int
) -> Numbers | None:
    """Cancel a notification for some users (at most 500) and leave it as it is for the others.

    For whom it is cancelled already, only the telling is repeated. None: the app has no such one. Raises ToEveryone,
    RunAgain.
    """
    row = _locked(session, app.id, id)
    if row is None:
        return None
    if row.everyone:
        raise ToEveryone(id)
    if row.status in _ENDED:
        return Numbers()
    waiting = _take_names(session, row, frozenset(users), now_ms)
    waiting += _exclude(session, row, sorted(users))
    known = sorted(bulk_for(session).known_users(session, app.id, sorted(users)).values())
    if row.status in (Status.SENDING, Status.SENT):
        # Whoever is about to publish it, with these users in hand, is to look again afterwards.
        mark = update(t.notifications).where(_N.id == id)
        session.execute(mark.values(cancelled_at=to_datetime(now_ms)))
    taken = take_from(session, app, row, known, now_ms=now_ms) if known else None
    _prevent(session, app, id, waiting, now_ms)
    moved = taken.moved if taken else {}
    numbers = (len(waiting) + moved.get(False, 0), moved.get(True, 0))
    return Numbers(*numbers, taken=[taken] if taken and taken.users else [])


def note(session: Session, ids: Sequence[str], *, now_ms: int) -> None:
    """Say when these were cancelled, which are stored as such."""
    if ids:
        rows = update(t.notifications).where(_N.id.in_(sorted(ids)))
        session.execute(rows.values(cancelled_at=to_datetime(now_ms)))


def by_key(  # noqa: PLR0913 -- what a cancellation by key says
    session: Session,
    app_id: int,
    key: str,
    *,
    until_ms: int,
    limit: int,
    after: str | None = None,
    users: Collection[str] | None = None,
) -> list[str]:
    """Notifications of a cancel key accepted until an instant that are neither cancelled nor expired, by id; those
    above the id `after`. Of some `users`: those that one of them has, and those that are not all out yet."""
    mine = [_N.app_id == app_id, _N.cancel_key == key, _N.accepted_at <= to_datetime(until_ms)]
    if after is not None:
        mine.append(_N.id > after)
    if users is not None:
        theirs = exists().where(
            _D.notification_id == _N.id,
            _D.state.in_(_TAKEABLE),
            _U.id == _D.user_id,
            _U.app_id == app_id,
            _U.name.in_(sorted(users)),
        )
        mine.append(or_(_N.published_at.is_(None), theirs))
    statement = select(_N.id).where(*mine, _N.status.not_in(_ENDED)).order_by(_N.id).limit(limit)
    return list(session.scalars(statement))


def app_of(session: Session, id: str) -> AppRow | None:
    """Whose notification it is."""
    app_id = session.scalar(select(_N.app_id).where(_N.id == id))
    return None if app_id is None else apps.by_id(session, [app_id])[app_id]


def _locked(session: Session, app_id: int, id: str) -> _Row | None:
    columns = NOTIFICATION.add_columns(_N.recipients, _N.audience)
    mine = columns.where(_N.id == id, _N.app_id == app_id)
    return session.execute(mine.with_for_update(key_share=True)).first()


def _everyones(row: _Row) -> Numbers:
    """It counts as one: nobody knows how many would have got it."""
    out = row.all_seq is not None and row.published_at is not None
    failed = row.status == Status.FAILED
    return Numbers(int(not out), int(out), left=row.all_seq is not None, failed=failed)


def _counted(session: Session, row: _Row, *, dropped: bool) -> Numbers:
    """Count by state; who is on no stored page has no delivery."""
    grouped = select(_D.state, func.count()).where(_D.notification_id == row.id).group_by(_D.state)
    found: dict[str, int] = dict(session.execute(grouped).all())
    unstored = 0
    if dropped or row.status in NOT_STARTED:
        unstored = max(row.recipients - sum(found.values()), 0)
    pending = found.get(State.PENDING, 0)
    stored, waiting = _stored_pages(session, row.id)
    # Of pages, those that are marked as published are out; without any, all or nothing is.
    out = max(pending - waiting, 0) if stored else pending if row.published_at is not None else 0
    already = found.get(State.DELIVERED, 0) + out
    prevented = found.get(State.HELD, 0) + found.get(State.FAILED, 0) + pending - out
    return Numbers(
        prevented + unstored, already, left=bool(prevented + already), failed=row.status == Status.FAILED
    )


def _stored_pages(session: Session, id: str) -> tuple[int, int]:
    """How many pages are stored, and names on those of them that are not marked as published."""
    stored = session.execute(select(_P.published_at, _P.names).where(_P.notification_id == id)).all()
    waiting = [orjson.loads(page.names or "[]") for page in stored if page.published_at is None]
    return len(stored), sum(map(len, waiting))


def _take_names(session: Session, row: _Row, users: frozenset[str], now_ms: int) -> list[str]:
    """Take names off the pages that are not stored; those that were there."""
    found: list[str] = []
    emptied, number = False, -1
    while True:
        pages = (
            select(_P.number, _P.names)
            .where(_P.notification_id == row.id, _P.stored_at.is_(None), _P.number > number)
            .order_by(_P.number)
            .limit(_PAGES_AT_ONCE)
        )
        rows = session.execute(pages.with_for_update()).all()
        for number, kept in rows:
            on_it: list[str] = orjson.loads(kept or "[]")
            left = [name for name in on_it if name not in users]
            if len(left) < len(on_it):
                found += [name for name in on_it if name in users]
                page = and_(_P.notification_id == row.id, _P.number == number)
                values: dict[str, Any] = {"names": orjson.dumps(left).decode()}
                if not left and row.status == Status.SENDING:
                    values, emptied = {"names": None, "published_at": to_datetime(now_ms)}, True
                session.execute(update(t.pages).where(page).values(values))
        if len(rows) < _PAGES_AT_ONCE:
            break
    if emptied:
        conclude(session, row.id, now_ms)
    return found


def _exclude(session: Session, row: _Row, users: Sequence[str]) -> list[str]:
    """Of an audience that is not resolved: leave them out when it is; those that it names."""
    if row.audience is None or row.status not in NOT_STARTED:
        return []
    audience: dict[str, Any] = orjson.loads(row.audience)
    out = audience.get("exclude", [])
    named = frozenset(audience.get("users", ())).difference(out)
    audience["exclude"] = list(dict.fromkeys([*out, *users]))
    told = orjson.dumps(audience).decode()
    session.execute(update(t.notifications).where(_N.id == row.id).values(audience=told))
    return [name for name in users if name in named]


def _prevent(session: Session, app: AppRow, id: str, users: Sequence[str], now_ms: int) -> None:
    """Write down that these, who were still to get it, will not."""
    if not users:
        return
    bulk = bulk_for(session)
    ids = names.resolve(session, bulk, app.id, users, now_ms=now_ms)
    there = select(_D.user_id).where(_D.notification_id == id, _D.user_id.in_(sorted(ids.values())))
    have = set(session.scalars(there))
    streams = names.lock(session, bulk, ids.values())
    rows = [
        {
            "notification_id": id,
            "user_id": user_id,
            "state": State.CANCELLED,
            "reason": Reason.CANCELLED,
            "rev": streams[user_id].rev,
        }
        for user_id in sorted(set(ids.values()) - have)
    ]
    for part in chunks(rows, STEP):
        session.execute(insert(t.deliveries), list(part))
