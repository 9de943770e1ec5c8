"""Numbers of the stream of everyone: one row and one number, whatever the number of users."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import ColumnElement, ScalarSelect, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.domain.fate import Reason
from shared.domain.notification import Status, sources
from shared.models import tables as t
from shared.protocol.envelope import Body, Broadcast
from shared.store import apps, framing
from shared.store.apps import AppRow
from shared.store.framing import FrameSet
from shared.store.rows import chunks

_N = t.notifications.c
_O = t.notifications.alias("older")


class New(NamedTuple):
    """A new notification to everyone, with the names that it excludes."""

    body: Body
    exclude: Collection[str]
    collapse_key: str | None


def number(
    session: Session,
    app: AppRow,
    new: Sequence[New],
    users: Mapping[str, int],
    frames: FrameSet,
    *,
    now_ms: int,
) -> None:
    """Give these new notifications the next numbers of a locked app. One with a collapse key takes the place of the
    older ones, for all alike: what everyone has is one row."""
    seq = app.all_seq
    for body, exclude, collapse_key in new:
        seq += 1
        ids = sorted({users[name] for name in exclude})
        excluded = orjson.dumps(ids).decode() if ids else None
        session.execute(
            update(t.notifications).where(_N.id == body.id).values(all_seq=seq, excluded=excluded)
        )
        own = body
        if collapse_key is not None:
            own = framing.replaced_by(body, replaced(session, app.id, collapse_key, seq))
            _end_older(session, app.id, collapse_key, seq, now_ms)
        frames.add_broadcast(app, Broadcast(seq, seq - 1, own, _ordered(exclude, users)))
    if new:
        apps.advance(session, app.id, seq)


def replaced(session: Session, app_id: int, collapse_key: str, all_seq: int) -> str | None:
    """What the notification at `all_seq` takes the place of: the one before it with its key."""
    return session.scalar(select(_before(app_id, collapse_key, all_seq, _O)))


def _before(app_id: Any, collapse_key: Any, all_seq: Any, older: Any) -> ScalarSelect[str]:
    return (
        select(older.c.id)
        .where(older.c.app_id == app_id, older.c.collapse_key == collapse_key, older.c.all_seq < all_seq)
        .order_by(older.c.all_seq.desc())
        .limit(1)
        .scalar_subquery()
    )


REPLACED_ID: Final = _before(_N.app_id, _N.collapse_key, _N.all_seq, _O)
"""The same as a column of a query on notifications."""


def _end_older(session: Session, app_id: int, collapse_key: str, all_seq: int, now_ms: int) -> None:
    now = to_datetime(now_ms)
    older = (_N.app_id == app_id) & (_N.collapse_key == collapse_key) & (_N.all_seq < all_seq)
    ended = {"status": Status.CANCELLED, "cancelled_at": now, "expired_at": now, "error": Reason.REPLACED}
    alive = older & (_N.status.in_(sorted(sources(Status.CANCELLED)))) & _N.expired_at.is_(None)
    # If one of them is not published yet, its place is a gap that clients have filled with a position.
    session.execute(update(t.notifications).where(alive).values(ended))


def excluded_names(session: Session, excluded: str | None) -> tuple[str, ...]:
    """The names in an `excluded` column, by user id; those of erased users are gone."""
    if excluded is None:
        return ()
    ids: list[int] = orjson.loads(excluded)
    u = t.users.c
    found: list[tuple[int, str]] = []
    for part in chunks(ids):
        rows = session.execute(select(u.id, u.name).where(u.id.in_(part), u.name.is_not(None)))
        found += [(id, name) for id, name in rows]
    return tuple(name for _, name in sorted(found))


def addressed_to(user_id: int) -> ColumnElement[bool]:
    """Whether a notification to everyone does not exclude this user. The column is a JSON list without spaces."""
    column = _N.excluded
    listed = (
        (column == f"[{user_id}]")
        | column.like(f"[{user_id},%")
        | column.like(f"%,{user_id},%")
        | column.like(f"%,{user_id}]")
    )
    return column.is_(None) | ~listed


def _ordered(exclude: Collection[str], users: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(set(exclude), key=lambda name: users[name]))
