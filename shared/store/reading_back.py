"""Frames of what is stored and not published, read back from the rows: for a second run and for the reconciler."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from shared.clock import to_ms
from shared.domain.delivery import State
from shared.domain.fate import Reason
from shared.domain.notification import UNSENT
from shared.models import tables as t
from shared.protocol.envelope import Body, Broadcast
from shared.store import apps, framing
from shared.store.apps import AppRow
from shared.store.broadcasts import excluded_names, replaced
from shared.store.bulk import bulk_for
from shared.store.framing import FrameSet
from shared.store.rows import PageRef, StreamRow, chunks

AnyRow = Row[*tuple[Any, ...]]

_N, _D, _U, _S, _P = t.notifications.c, t.deliveries.c, t.users.c, t.streams.c, t.pages.c

BODY_COLUMNS = select(
    _N.id,
    _N.app_id,
    _N.event,
    _N.data,
    _N.accepted_at,
    _N.send_at,
    _N.local_at,
    _N.expires_at,
    _N.expired_at,
    _N.request_id,
    _N.sender,
    _N.priority,
    _N.status,
    _N.all_seq,
    _N.excluded,
    _N.collapse_key,
)
_STREAM = [_S[name] for name in StreamRow._fields]
_ITEMS = (
    select(_D.notification_id, _D.seq, _D.replaces, _U.name, *_STREAM)
    .join(t.users, _U.id == _D.user_id)
    .join(t.streams, _S.user_id == _D.user_id)
    # What was released is published by whoever released it; what was taken back, by nobody.
    .where(_D.seq.is_not(None), _D.released_at.is_(None), _U.name.is_not(None))
    .where((_D.state != State.CANCELLED) | (_D.reason == Reason.REPLACED))
)


@dataclass(frozen=True, slots=True)
class Back:
    """What was found unpublished: whole notifications, whose frames were read, and pages."""

    ids: list[str] = field(default_factory=list)
    pages: list[PageRef] = field(default_factory=list)


def body_of(row: AnyRow, released_at: datetime | None = None) -> Body:
    """The body in a row of BODY_COLUMNS, for those who got it at once or those to whom it was released."""
    return framing.body(
        id=row.id,
        request_id=row.request_id,
        event=row.event,
        data=row.data,
        sent_at=to_ms(released_at or row.send_at or row.accepted_at),
        expires_at=to_ms(row.expires_at),
        sender=row.sender,
    )


def read_back(session: Session, ids: Sequence[str], frames: FrameSet) -> Back:
    """Read the frames of those of `ids` that are stored and not published; of big ones, which pages are left."""
    back = Back()
    for part in chunks(sorted(ids)):
        rows = session.execute(
            BODY_COLUMNS.where(_N.id.in_(part), _N.published_at.is_(None), _N.status.not_in(sorted(UNSENT)))
        ).all()
        pages = _unpublished_pages(session, [row.id for row in rows])
        back.pages.extend(pages)
        paged = {page.notification_id for page in pages}
        whole = [row for row in rows if row.id not in paged]
        back.ids.extend(sorted(row.id for row in whole))
        _read_whole(session, whole, frames)
    return back


def read_back_page(session: Session, app: AppRow, body: Body, names: Sequence[str], frames: FrameSet) -> None:
    """Read the frames that users of stored pages have of one notification."""
    bulk, mine = bulk_for(session), _ITEMS.where(_D.notification_id == body.id, _U.app_id == app.id)
    for part in chunks(names):
        rows = bulk.page_items(session, body.id, app.id, part)
        if rows is None:
            rows = session.execute(mine.where(_U.name.in_(part))).all()
        _add_items(app, {body.id: body}, rows, frames)


def _unpublished_pages(session: Session, ids: Sequence[str]) -> list[PageRef]:
    rows = session.execute(
        select(_P.notification_id, _P.number, _N.priority)
        .join(t.notifications, _N.id == _P.notification_id)
        .where(_P.notification_id.in_(ids), _P.published_at.is_(None))
        .order_by(_P.notification_id, _P.number)
    )
    return [PageRef(*row) for row in rows]


def _read_whole(session: Session, rows: Sequence[AnyRow], frames: FrameSet) -> None:
    known = apps.by_id(session, {row.app_id for row in rows})
    bodies = {row.id: body_of(row) for row in rows}
    for app in known.values():
        direct = [row.id for row in rows if row.app_id == app.id and row.all_seq is None]
        items = session.execute(_ITEMS.where(_D.notification_id.in_(direct))).all()
        _add_items(app, bodies, items, frames)
    for row in rows:
        if row.all_seq is not None:
            names = excluded_names(session, row.excluded)
            key = row.collapse_key
            older = None if key is None else replaced(session, row.app_id, key, row.all_seq)
            body = framing.replaced_by(bodies[row.id], older)
            broadcast = Broadcast(row.all_seq, row.all_seq - 1, body, names)
            frames.add_broadcast(known[row.app_id], broadcast)


def _add_items(app: AppRow, bodies: dict[str, Body], rows: Sequence[AnyRow], frames: FrameSet) -> None:
    for id, seq, replaces, name, *stream in rows:
        row = StreamRow(*stream)
        key = frames.add_body(app, framing.replaced_by(bodies[id], replaces), replaces or "")
        frames.add_item(app, (row.user_id, name), seq, key)
        frames.add_record(app, row.record(name))
