"""Held deliveries whose time has come: each takes its number now, in the transaction that releases it.

Under the users' locks, like everything that grows a stream. What is released keeps `held_until` until it is published:
so one index finds what is due, and what a worker released and could not publish any more.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, select, tuple_, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime, to_ms
from shared.domain.delivery import State
from shared.domain.fate import Reason
from shared.domain.notification import Status
from shared.models import tables as t
from shared.protocol.envelope import AppFrames
from shared.store import apps, fates, framing, names, reading_back
from shared.store.allocation import Parcel, release
from shared.store.apps import AppRow
from shared.store.bulk import bulk_for
from shared.store.fates import Terms
from shared.store.framing import FrameSet
from shared.store.rows import CHUNK, StreamRow

_N, _D, _U, _S = t.notifications.c, t.deliveries.c, t.users.c, t.streams.c
_STALE_MS: Final = 15_000
_PAIR: Final = tuple_(_D.notification_id, _D.user_id)
_WITH_BODY: Final = (
    reading_back.BODY_COLUMNS.join(t.deliveries, _D.notification_id == _N.id)
    .join(t.users, _U.id == _D.user_id)
    .add_columns(_D.user_id, _U.name.label("user"), _D.reason, _D.seq, _D.replaces, _D.released_at)
    .where(_U.name.is_not(None))
)


class Pair(NamedTuple):
    """One delivery."""

    notification_id: str
    user_id: int


@dataclass(frozen=True, slots=True)
class Released:
    """What one step did: frames to publish, and the deliveries to be marked as published then. `more`: call again."""

    frames: list[AppFrames] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    more: bool = False


def any_due(session: Session, now_ms: int) -> bool:
    """Whether a step would find something; takes no lock."""
    now = to_datetime(now_ms)
    due = select(_D.user_id).where(_D.held_until <= now, _D.state == State.HELD).limit(1)
    stale = select(_D.user_id).where(_is_stale(now_ms)).limit(1)
    return session.execute(due).first() is not None or session.execute(stale).first() is not None


def release_due(session: Session, *, now_ms: int, push_after_s: int, limit: int = CHUNK) -> Released:
    """Release at most `limit` deliveries, the longest due first. Raises RunAgain."""
    due = (_D.held_until <= to_datetime(now_ms)) & (_D.state == State.HELD)
    wanted = select(_D.notification_id, _D.user_id).where(due).order_by(_D.held_until)
    pairs = [Pair(*row) for row in session.execute(wanted.limit(min(limit, CHUNK)))]
    if not pairs:
        return Released()
    bulk, frames = bulk_for(session), FrameSet()
    streams = names.lock(session, bulk, [pair.user_id for pair in pairs])
    # Read only now: until the lock was there another process could release, cancel or expire them.
    still = _WITH_BODY.where(_PAIR.in_(pairs), due).order_by(_D.held_until, _N.id, _D.user_id)
    rows = session.execute(still).all()
    parcels = _parcels(session, rows, now_ms)
    push_due_at = now_ms + push_after_s * 1000
    done = release(session, bulk, parcels, streams, frames, now_ms=now_ms, push_due_at=push_due_at)
    return Released(frames.build(), [Pair(*pair) for pair in done], more=len(pairs) == limit)


def put_off(session: Session, *, now_ms: int, until_ms: int) -> None:
    """Hold the one that has been due longest for longer."""
    due = (_D.held_until <= to_datetime(now_ms)) & (_D.state == State.HELD)
    first = select(_D.notification_id, _D.user_id).where(due).order_by(_D.held_until).limit(1)
    for id, user_id in session.execute(first).all():
        own = (_D.notification_id == id) & (_D.user_id == user_id) & (_D.state == State.HELD)
        session.execute(update(t.deliveries).where(own).values(held_until=to_datetime(until_ms)))


def stale(session: Session, *, now_ms: int, limit: int = CHUNK) -> Released:
    """What was released 15 s ago and is not marked as published: the same frames once more."""
    rows = session.execute(_WITH_BODY.where(_is_stale(now_ms)).limit(limit)).all()
    frames = FrameSet()
    known = apps.by_id(session, {row.app_id for row in rows}) if rows else {}
    streams = _streams(session, [row.user_id for row in rows])
    for row in rows:
        app, id = known[row.app_id], row.user_id
        body = framing.replaced_by(reading_back.body_of(row, row.released_at), row.replaces)
        key = frames.add_body(app, body, f"{row.replaces or ''} {row.released_at}")
        frames.add_item(app, (id, row.user), row.seq, key)
        frames.add_record(app, streams[id].record(row.user))
    return Released(frames.build(), [Pair(row.id, row.user_id) for row in rows], more=len(rows) == limit)


def mark_published(session: Session, pairs: Sequence[Pair]) -> None:
    """Note that these are published. Give it a transaction of its own: losing it publishes the same bytes again."""
    if not pairs:
        return
    bulk = bulk_for(session)
    bulk.do_not_wait_for_disk(session)
    bulk.mark_released(session, sorted(pairs))


def _parcels(session: Session, rows: Sequence[Any], now_ms: int) -> list[Parcel]:
    """The rows by notification, each user's in their order: first what is the first of somebody, then what is the
    second. Who was held by a cap has a place already and is not judged once more."""
    known = apps.by_id(session, {row.app_id for row in rows}) if rows else {}
    alike: dict[tuple[int, str, bool], list[Any]] = defaultdict(list)
    nth: Counter[int] = Counter()
    for row in rows:
        alike[nth[row.user_id], row.id, row.reason != Reason.LOCAL_TIME].append(row)
        nth[row.user_id] += 1
    return [
        _parcel(known[those[0].app_id], those, now_ms, judged=judged)
        for (_, _, judged), those in sorted(alike.items(), key=lambda one: one[0])
    ]


def _parcel(app: AppRow, rows: Sequence[Any], now_ms: int, *, judged: bool) -> Parcel:
    first, users = rows[0], [(row.user_id, row.user) for row in rows]
    asked = fates.terms(
        app=app._replace(caps=()) if judged else app,
        event=first.event,
        priority=first.priority,
        sent=to_ms(first.send_at or first.accepted_at),
        collapse_key=first.collapse_key,
        local_at=None,
        cancelled=frozenset(row.user for row in rows) if first.status == Status.CANCELLED else frozenset(),
    )
    expired = to_ms(first.expires_at) <= now_ms or first.expired_at is not None
    body = reading_back.body_of(first, to_datetime(now_ms))
    return Parcel(app, body, users, expired, asked or Terms(first.event, 0))


def _streams(session: Session, user_ids: Sequence[int]) -> dict[int, StreamRow]:
    columns = [_S[name] for name in StreamRow._fields]
    rows = session.execute(select(*columns).where(_S.user_id.in_(sorted(set(user_ids)))))
    return {row.user_id: StreamRow(*row) for row in rows}


def _is_stale(now_ms: int) -> Any:
    before = to_datetime(now_ms - _STALE_MS)
    return and_(_D.held_until <= before, _D.released_at <= before, _D.seq.is_not(None))
