"""One user's stream as the database has it, read without a lock."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.models import tables as t
from shared.protocol.envelope import Record
from shared.store import apps, counts, names
from shared.store.apps import AppRow
from shared.store.bulk import bulk_for
from shared.store.rows import StreamRow

_COLUMNS = [t.streams.c[name] for name in StreamRow._fields]


def find(session: Session, app_id: int, user: str) -> StreamRow | None:
    """The stream of a user; None if the app has no such user."""
    u, s = t.users.c, t.streams.c
    mine = select(*_COLUMNS).join(t.users, u.id == s.user_id).where(u.app_id == app_id, u.name == user)
    row = session.execute(mine).first()
    return StreamRow(*row) if row else None


def read_record(session: Session, app: str, user: str, *, now_ms: int) -> Record | None:
    """The user's record with the numbers of what went to everyone; the user exists afterwards. None: unknown app.

    Needs a writing session. Raises RunAgain.
    """
    found = apps.get(session, app)
    if found is None:
        return None
    names.resolve(session, bulk_for(session), found.id, [user], now_ms=now_ms)
    stream = find(session, found.id, user)
    return None if stream is None else record(session, found, user, stream, now_ms=now_ms)


def record(session: Session, app: AppRow, user: str, stream: StreamRow, *, now_ms: int) -> Record:
    """A stream row as a record with the numbers of what went to everyone."""
    everyone = counts.of_everyone(session, app, stream.user_id, now_ms=now_ms)
    return stream.record(user, everyone=everyone, everyone_at=app.all_seq)
