"""api_keys: keep, find, list and revoke. Only digests come here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.orm import Session

from shared.clock import to_datetime
from shared.models import tables as t

_K = t.api_keys.c
_COLUMNS = (
    _K.id,
    t.apps.c.name,
    _K.name,
    _K.hash,
    _K.scopes,
    _K.created_at,
    _K.expires_at,
    _K.last_used_at,
    _K.revoked_at,
)
_KEYS = select(*_COLUMNS).join(t.apps, t.apps.c.id == _K.app_id)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as it is stored; `app` is the name of its app."""

    id: str
    app: str
    name: str
    hash: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKeyRow:
    """A key to be stored; instants are epoch milliseconds."""

    id: str
    app_id: int
    name: str
    hash: str
    scopes: Sequence[str]
    created_at: int
    expires_at: int | None


def add(session: Session, key: NewKeyRow) -> None:
    """Store a key. Raises sqlalchemy.exc.IntegrityError if the id is taken."""
    session.execute(
        insert(t.api_keys).values(
            id=key.id,
            app_id=key.app_id,
            name=key.name,
            hash=key.hash,
            scopes=orjson.dumps(sorted(key.scopes)).decode(),
            created_at=to_datetime(key.created_at),
            expires_at=None if key.expires_at is None else to_datetime(key.expires_at),
        )
    )


def find(session: Session, id: str) -> KeyRow | None:
    """The key with that id, of whatever app: it says which app the caller is. Revoked and expired ones too."""
    row = session.execute(_KEYS.where(_K.id == id)).first()
    return _key(row) if row else None


def list_of(session: Session, app_id: int, *, after: str | None = None, limit: int = 100) -> list[KeyRow]:
    """The keys of an app that are not revoked, by id, those after the id `after`."""
    statement = _KEYS.where(_K.app_id == app_id, _K.revoked_at.is_(None)).order_by(_K.id).limit(limit)
    if after is not None:
        statement = statement.where(_K.id > after)
    return [_key(row) for row in session.execute(statement)]


def revoke(session: Session, app_id: int, id: str, *, now_ms: int) -> bool:
    """Revoke a key of this app; False if it has none of that id that is not revoked."""
    mine = (_K.id == id) & (_K.app_id == app_id) & _K.revoked_at.is_(None)
    changed = session.execute(update(t.api_keys).where(mine).values(revoked_at=to_datetime(now_ms)))
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def expire(session: Session, id: str, *, at_ms: int) -> None:
    """Let a key end at that time, unless it ends before."""
    at = to_datetime(at_ms)
    longer = (_K.id == id) & (_K.expires_at.is_(None) | (_K.expires_at > at))
    session.execute(update(t.api_keys).where(longer).values(expires_at=at))


def note_use(session: Session, used: dict[str, int]) -> None:
    """Note when keys were last used, epoch milliseconds by id; an older time never wins."""
    for id, ms in sorted(used.items()):
        at = to_datetime(ms)
        older = (_K.id == id) & (func.coalesce(_K.last_used_at, _K.created_at) < at)
        session.execute(update(t.api_keys).where(older).values(last_used_at=at))


def _key(row: Row[*tuple[Any, ...]]) -> KeyRow:
    id, app, name, hash, scopes, *times = row
    return KeyRow(id, app, name, hash, tuple(orjson.loads(scopes)), *times)
