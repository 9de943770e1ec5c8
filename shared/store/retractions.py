"""Taking back the deliveries of what was cancelled: out of inboxes and their numbers, up to 500 users a transaction.

What a step moved it tells again when it is run again, so a death between the commit and the telling costs nothing: only
when all is told is a cancelled notification over (`expired_at`), and what began and did not end is found by its rows.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from sqlalchemy import Row, Select, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.delivery import OPEN, State
from shared.domain.fate import Reason
from shared.domain.marks import Marks, Weight, weigh
from shared.domain.notification import Status
from shared.models import tables as t
from shared.protocol.envelope import Counts
from shared.protocol.retracts import Gone
from shared.store import apps, counts
from shared.store.apps import AppRow
from shared.store.bulk import bulk_for
from shared.store.counting_out import count_out
from shared.store.rows import StreamRow, chunks

_N, _D, _P, _S, _U = t.notifications.c, t.deliveries.c, t.pages.c, t.streams.c, t.users.c
_Row = Row[*tuple[Any, ...]]

STEP: Final = 500
"""Users of one step: some ten milliseconds, the longest that anybody waits for a stream that it locks."""

NOTIFICATION: Final = select(
    _N.id,
    _N.app_id,
    _N.everyone,
    _N.all_seq,
    _N.status,
    _N.published_at,
    _N.cancelled_at,
    _N.expired_at,
    _N.error,
)
"""What is read of a notification; not when somebody was stopped who was about to publish it."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What one step did, to be told to Redis. `place`: the new end of the stream of everyone, for one that went to
    everyone from `seq`. `after`: where the next step begins; None: there is no next one."""

    app: str
    epoch: str
    id: str
    users: list[Gone] = field(default_factory=list)
    moved: dict[bool, int] = field(default_factory=dict)
    """How many deliveries this step moved, by whether they were out."""
    seq: int | None = None
    place: int | None = None
    after: int | None = None


def step(session: Session, id: str, *, after: int, now_ms: int, limit: int = STEP) -> TakenBack | None:
    """Take back a cancelled notification from up to `limit` users above the user id `after`.

    None: there is nothing more to do, and it is over from now on. Raises RunAgain.
    """
    row = session.execute(NOTIFICATION.where(_N.id == id).with_for_update(key_share=True)).first()
    if row is None or row.status != Status.CANCELLED or row.expired_at is not None:
        return None
    app = apps.by_id(session, [row.app_id])[row.app_id]
    if row.everyone and row.all_seq is not None and not after:
        return _from_everyone(session, app, id, row.all_seq)
    user_ids = [] if row.everyone else _next(session, id, after, limit)
    if not user_ids:
        session.execute(update(t.notifications).where(_N.id == id).values(expired_at=to_datetime(now_ms)))
        return None
    # A lease: nobody else begins with it while its steps go on.
    session.execute(update(t.notifications).where(_N.id == id).values(next_attempt_at=to_datetime(now_ms)))
    return take_from(session, app, row, user_ids, now_ms=now_ms, after=user_ids[-1])


def take_from(
    session: Session,
    app: AppRow,
    row: _Row,
    user_ids: Sequence[int],
    *,
    now_ms: int,
    after: int | None = None,
) -> TakenBack:
    """Take a notification back from these users (sorted, at most 500), whose streams are locked for it.

    Of those from whom it was taken already only the telling is repeated. `row` is of NOTIFICATION and locked.
    """
    streams = {one.user_id: one for one in bulk_for(session).lock_streams(session, user_ids)}
    # Read only now: until the lock was there an ack or a mark could still change them.
    columns = (_D.user_id, _D.seq, _D.state, _D.seen_at, _D.read_at, _D.archived_at)
    rows = session.execute(
        select(*columns).where(_D.notification_id == row.id, _D.user_id.in_(user_ids))
    ).all()
    moved = [one for one in rows if State(one.state) in OPEN]
    out = was_out(session, row)
    told = _move(session, row.id, moved, streams, out=out)
    again = [one.user_id for one in rows if one.state == State.CANCELLED]
    seqs = {one.user_id: one.seq for one in rows if one.seq is not None}
    told |= {id: streams[id] for id in again if id in seqs}
    gone = _gone(session, app, [(told[id], seqs[id]) for id in sorted(told)], now_ms=now_ms)
    numbers = defaultdict[bool, int](int)
    for one in moved:
        numbers[one.state == State.DELIVERED or (one.state == State.PENDING and out)] += 1
    return TakenBack(app.name, app.epoch, row.id, gone, dict(numbers), after=after)


def was_out(session: Session, row: _Row) -> bool:
    """Whether a notification was published, at least some pages of it, before it was cancelled."""
    whole = row.status != Status.CANCELLED
    if row.published_at is not None and (whole or row.published_at < row.cancelled_at):
        return True
    # One that was never stored lost its last user to a cancellation.
    out = and_(_P.notification_id == row.id, _P.published_at.is_not(None), _P.stored_at.is_not(None))
    if not whole:
        out &= _P.published_at < row.cancelled_at
    return bool(session.scalar(select(exists().where(out))))


def told_again(
    session: Session, id: str, *, now_ms: int, names: Collection[str] | None = None
) -> list[TakenBack]:
    """What is to be told once more because somebody published it late: to all who lost it, or to these users.

    Needs a writing session.
    """
    row = session.execute(NOTIFICATION.where(_N.id == id)).first()
    if row is None:
        return []
    app = apps.by_id(session, [row.app_id])[row.app_id]
    if row.everyone:
        # What was replaced is told by what took its place.
        if row.status != Status.CANCELLED or row.all_seq is None or row.error == Reason.REPLACED:
            return []
        return [_from_everyone(session, app, id, row.all_seq)]
    lost = _lost().where(_D.notification_id == id)
    statements = [lost]
    if names is not None:
        parts = chunks(sorted(names))
        statements = [lost.where(_U.app_id == app.id, _U.name.in_(part)) for part in parts]
    found: list[TakenBack] = []
    for statement in statements:
        rows = session.execute(statement).all()
        for part in chunks(rows, STEP):
            places = [(StreamRow(*stream), seq) for seq, *stream in part]
            found.append(TakenBack(app.name, app.epoch, id, _gone(session, app, places, now_ms=now_ms)))
    return found


def late(session: Session, ids: Sequence[str]) -> list[str]:
    """Those of `ids` that were cancelled, in whole or for some users, while somebody was about to publish them."""
    return sorted(session.scalars(select(_N.id).where(_N.id.in_(list(ids)), _N.cancelled_at.is_not(None))))


def names_on_pages(session: Session, id: str, numbers: Collection[int]) -> list[str]:
    """The names on those of these pages that are not marked as published."""
    pages = and_(_P.notification_id == id, _P.number.in_(sorted(numbers)), _P.published_at.is_(None))
    kept = session.scalars(select(_P.names).where(pages, _P.names.is_not(None)).order_by(_P.number))
    return [name for names in kept for name in orjson.loads(names or "[]")]


def unfinished(session: Session, *, before_ms: int, limit: int) -> list[str]:
    """Cancelled notifications that are not over, and that nobody has worked on since `before_ms`."""
    untouched = func.coalesce(_N.next_attempt_at, _N.cancelled_at) < to_datetime(before_ms)
    begun = (_N.cancelled_at.is_not(None), _N.expired_at.is_(None), _N.status == Status.CANCELLED)
    return list(
        session.scalars(select(_N.id).where(*begun, untouched).order_by(_N.cancelled_at).limit(limit))
    )


def claim(session: Session, ids: Sequence[str], *, now_ms: int) -> None:
    """Note that somebody works on these from now on."""
    claimed = update(t.notifications).where(_N.id.in_(sorted(ids)))
    session.execute(claimed.values(next_attempt_at=to_datetime(now_ms)))


def _from_everyone(session: Session, app: AppRow, id: str, seq: int) -> TakenBack:
    """The stream of everyone gets one more place, with nothing in it: who counted before it must count anew."""
    place = apps.lock(session, [app.id])[app.id].all_seq + 1
    apps.advance(session, app.id, place)
    return TakenBack(app.name, app.epoch, id, seq=seq, place=place, after=1)


def _next(session: Session, id: str, after: int, limit: int) -> list[int]:
    """Users above `after` from whom it is to be taken, or was taken and perhaps not told."""
    wanted = or_(_D.state.in_(sorted(OPEN)), and_(_D.state == State.CANCELLED, _D.seq.is_not(None)))
    statement = select(_D.user_id).where(_D.notification_id == id, _D.user_id > after, wanted)
    return list(session.scalars(statement.order_by(_D.user_id).limit(limit)))


def _move(
    session: Session, id: str, moved: Sequence[_Row], streams: dict[int, StreamRow], *, out: bool
) -> dict[int, StreamRow]:
    """Cancel deliveries under the locks and count them out; the streams of those who had them, after that."""
    total: dict[int, int] = {}
    weights: dict[int, Weight] = {}
    groups: dict[tuple[bool, Reason], list[int]] = defaultdict(list)
    for one in moved:
        seen = one.seq is not None
        sent = seen and (out or one.state == State.DELIVERED)
        reason = Reason.RETRACTED if sent else Reason.CANCELLED
        groups[seen, reason].append(one.user_id)
        if seen:
            total[one.user_id] = 1
            weights[one.user_id] = weigh(Marks(one.seen_at, one.read_at, one.archived_at))
    rev = select(_S.rev + 1).where(_S.user_id == _D.user_id).scalar_subquery()
    for (seen, reason), ids in sorted(groups.items()):
        values: dict[str, Any] = {
            "state": State.CANCELLED,
            "reason": reason,
            "held_until": None,
            "push_due_at": None,
        }
        those = and_(_D.notification_id == id, _D.user_id.in_(sorted(ids)))
        session.execute(update(t.deliveries).where(those).values(values | ({"rev": rev} if seen else {})))
    return {row.user_id: row for row in count_out(session, streams, total, weights)}


def _gone(
    session: Session, app: AppRow, places: Sequence[tuple[StreamRow, int]], *, now_ms: int
) -> list[Gone]:
    """What Redis and the nodes are to know; erased users are left out."""
    ids = sorted(stream.user_id for stream, _ in places)
    if not ids:
        return []
    named = select(_U.id, _U.name).where(_U.id.in_(ids), _U.name.is_not(None))
    names: dict[int, str] = {id: name for id, name in session.execute(named) if name is not None}
    everyones = counts.of_everyone(session, app, list(names), now_ms=now_ms)
    found = []
    for stream, seq in places:
        if stream.user_id in names:
            everyone = everyones.get(stream.user_id, Counts())
            record = stream.record(names[stream.user_id])
            found.append(Gone(seq, record, counts.added(record.own, everyone)))
    return found


def _lost() -> Select[*tuple[Any, ...]]:
    stream = [_S[name] for name in StreamRow._fields]
    return (
        select(_D.seq, *stream)
        .join(t.streams, _S.user_id == _D.user_id)
        .join(t.users, _U.id == _D.user_id)
        .where(
            _D.state == State.CANCELLED,
            _D.seq.is_not(None),
            _D.reason.in_([Reason.CANCELLED, Reason.RETRACTED]),
        )
        .order_by(_D.user_id)
    )
