"""Users' streams as the database has them, read without a lock."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.models import tables as t
from shared.protocol.envelope import Record
from shared.store import counts, names
from shared.store.apps import AppRow
from shared.store.bulk import bulk_for
from shared.store.rows import StreamRow, chunks

_COLUMNS = [t.streams.c[name] for name in StreamRow._fields]


def find(session: Session, app_id: int, user: str) -> StreamRow | None:
    """The stream of a user; None if the app has no such user."""
    return find_many(session, app_id, [user]).get(user)


def find_many(session: Session, app_id: int, users: Collection[str]) -> dict[str, StreamRow]:
    """The streams of those of `users` whom the app knows."""
    u, s = t.users.c, t.streams.c
    theirs = select(u.name, *_COLUMNS).join(t.users, u.id == s.user_id).where(u.app_id == app_id)
    found: dict[str, StreamRow] = {}
    for part in chunks(sorted(set(users))):
        rows = session.execute(theirs.where(u.name.in_(part)))
        found |= {name: StreamRow(*row) for name, *row in rows}
    return found


def read_records(session: Session, app: AppRow, users: Collection[str], *, now_ms: int) -> list[Record]:
    """The users' records with the numbers of what went to everyone; the users exist afterwards.

    Needs a writing session. Raises RunAgain.
    """
    names.resolve(session, bulk_for(session), app.id, users, now_ms=now_ms)
    found = find_many(session, app.id, users)
    everyones = counts.of_everyone(session, app, [stream.user_id for stream in found.values()], now_ms=now_ms)
    return [
        stream.record(user, everyone=everyones[stream.user_id], everyone_at=app.all_seq)
        for user, stream in found.items()
    ]


def record(session: Session, app: AppRow, user: str, stream: StreamRow, *, now_ms: int) -> Record:
    """A stream row as a record with the numbers of what went to everyone."""
    everyone = counts.of_everyone(session, app, [stream.user_id], now_ms=now_ms)[stream.user_id]
    return stream.record(user, everyone=everyone, everyone_at=app.all_seq)
