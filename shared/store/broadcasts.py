"""Numbers of the stream of everyone: one row and one number, whatever the number of users."""

from collections.abc import Collection, Mapping, Sequence

import orjson
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from shared.models import tables as t
from shared.protocol.envelope import Body, Broadcast
from shared.store import apps
from shared.store.apps import AppRow
from shared.store.framing import FrameSet
from shared.store.rows import chunks


def number(
    session: Session,
    app: AppRow,
    bodies: Sequence[tuple[Body, Collection[str]]],
    users: Mapping[str, int],
    frames: FrameSet,
) -> None:
    """Give these new notifications, each with the names it excludes, the next numbers of a locked app."""
    seq = app.all_seq
    for body, exclude in bodies:
        seq += 1
        ids = sorted({users[name] for name in exclude})
        excluded = orjson.dumps(ids).decode() if ids else None
        row = t.notifications.c.id == body.id
        session.execute(update(t.notifications).where(row).values(all_seq=seq, excluded=excluded))
        frames.add_broadcast(app, Broadcast(seq, seq - 1, body, _ordered(exclude, users)))
    if bodies:
        apps.advance(session, app.id, seq)


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
    column = t.notifications.c.excluded
    listed = (
        (column == f"[{user_id}]")
        | column.like(f"[{user_id},%")
        | column.like(f"%,{user_id},%")
        | column.like(f"%,{user_id}]")
    )
    return column.is_(None) | ~listed


def _ordered(exclude: Collection[str], users: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(set(exclude), key=lambda name: users[name]))
