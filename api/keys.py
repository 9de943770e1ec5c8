"""API keys over HTTP: make, list, revoke; and how the key ring reads one.

Rule U.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from api import instants
from api.errors import translated
from api.key_ring import StoredKey
from api.validation import invalid
from shared.auth import api_keys
from shared.auth.api_keys import NewKey
from shared.clock import Clock, to_ms
from shared.db import Database
from shared.domain import paging
from shared.errors import Forbidden, InvalidRequest, NotFound
from shared.store import api_keys as store
from shared.store import apps
from shared.store.api_keys import KeyRow, NewKeyRow

PAGE: Final = 100
OVERLAP_SECONDS: Final = 3600
"""How long a key that is replaced stays good, if the request does not say."""
_CURSOR: Final = "api-keys"
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key to be made; `expires_at` is epoch milliseconds."""

    name: str
    scopes: frozenset[str]
    expires_at: int | None = None


class Keys:
    """The keys of whoever asks."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        random: Callable[[int], bytes],
        forget: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`forget` is told the id of a key that was revoked here."""
        self._database = database
        self._clock = clock
        self._random = random
        self._forget = forget

    def make(self, app: str, wanted: Wanted) -> tuple[Document, NewKey]:
        """Make a key; its secret is in the second value and nowhere else. Raises NotFound for an unknown app."""
        made = api_keys.make(self._random)
        now_ms = self._clock.now_ms()
        row = self._database.run(lambda session: _add(session, app, made, wanted, now_ms))
        return _document(row), made

    def page(self, app: str, cursor: str | None) -> Document:
        """List the keys that are not revoked."""
        after = _after(cursor)
        with self._database.session() as session:
            found = apps.get(session, app)
            rows = store.list_of(session, found.id, after=after, limit=PAGE + 1) if found else []
        following = paging.encode(_CURSOR, rows[PAGE - 1].id) if len(rows) > PAGE else None
        return {"items": [_document(row) for row in rows[:PAGE]], "next": following}

    def revoke(self, app: str, id: str) -> None:
        """Revoke a key at once here, and within a second elsewhere. Raises NotFound."""
        # A column of ASCII: MariaDB fails to compare it with other texts.
        if not api_keys.is_id(id):
            raise NotFound
        now_ms = self._clock.now_ms()
        self._database.run(lambda session: _revoke(session, app, id, now_ms))
        self._forget(id)

    def rotate(self, app: str, id: str, *, held: frozenset[str], overlap: int) -> tuple[Document, NewKey]:
        """Make a key like this one, which ends `overlap` seconds from now at the latest.

        Raises NotFound, and Forbidden for a key that holds what the caller (`held`) does not.
        """
        if not api_keys.is_id(id):
            raise NotFound
        made, now_ms = api_keys.make(self._random), self._clock.now_ms()

        def turn(session: Session) -> KeyRow:
            old = _good(session, app, id, now_ms)
            if not set(old.scopes) <= held:
                raise Forbidden("Only what you hold yourself can be given away.")
            expires_at = None if old.expires_at is None else to_ms(old.expires_at)
            row = _add(session, app, made, Wanted(old.name, frozenset(old.scopes), expires_at), now_ms)
            store.expire(session, id, at_ms=now_ms + overlap * 1000)
            return row

        row = self._database.run(turn)
        self._forget(id)
        return _document(row), made

    def load(self, id: str) -> StoredKey | None:
        """Read a key for the key ring; None if there is none of that id that counts. Raises DatabaseUnavailable."""
        with translated(), self._database.session() as session:
            row = store.find(session, id)
        if row is None or row.revoked_at is not None:
            return None
        return StoredKey(
            id=row.id,
            app=row.app,
            hash=row.hash,
            scopes=row.scopes,
            expires_at=None if row.expires_at is None else to_ms(row.expires_at),
        )

    def note_use(self, id: str) -> None:
        """Note that a key was used just now."""
        used = {id: self._clock.now_ms()}
        self._database.run(lambda session: store.note_use(session, used))


def _add(session: Any, app: str, made: NewKey, wanted: Wanted, now_ms: int) -> KeyRow:
    found = apps.get(session, app)
    if found is None:
        raise NotFound
    row = NewKeyRow(
        id=made.id,
        app_id=found.id,
        name=wanted.name,
        hash=made.hash,
        scopes=sorted(wanted.scopes),
        created_at=now_ms,
        expires_at=wanted.expires_at,
    )
    store.add(session, row)
    stored = store.find(session, made.id)
    if stored is None:
        raise LookupError(f"the key {made.id} is not there after its insert")
    return stored


def _revoke(session: Any, app: str, id: str, now_ms: int) -> None:
    found = apps.get(session, app)
    if found is None or not store.revoke(session, found.id, id, now_ms=now_ms):
        raise NotFound


def _good(session: Session, app: str, id: str, now_ms: int) -> KeyRow:
    """A key of this app that still lets somebody in. Raises NotFound."""
    row = store.find(session, id)
    if row is None or row.app != app or row.revoked_at is not None:
        raise NotFound
    if row.expires_at is not None and to_ms(row.expires_at) <= now_ms:
        raise NotFound
    return row


def check_given(scopes: Sequence[str], held: frozenset[str]) -> frozenset[str]:
    """Return the scopes of a new key. Raises InvalidRequest for unknown ones and for what the maker does not hold."""
    split = api_keys.check_scopes(list(scopes))
    missing = [name for name in scopes if name in split.known and name not in held]
    problems = [(name, "There is no such scope for an API key.") for name in split.unknown]
    problems += [(name, "Only what you hold yourself can be given away.") for name in missing]
    if problems:
        detail = [
            {"field": f"scopes[{list(scopes).index(name)}]", "message": text} for name, text in problems
        ]
        raise InvalidRequest(f"{detail[0]['field']}: {detail[0]['message']}", detail=detail)
    return split.known


def _after(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        (after,) = paging.decode(_CURSOR, cursor, (str,))
    except paging.BadCursor:
        raise invalid("cursor", "Not a cursor of this list.") from None
    if not api_keys.is_id(after):
        raise invalid("cursor", "Not a cursor of this list.")
    return str(after)


def _document(row: KeyRow) -> Document:
    return {
        "id": row.id,
        "name": row.name,
        "scopes": sorted(row.scopes),
        "created_at": instants.write(row.created_at),
        "expires_at": instants.write(row.expires_at),
        "last_used_at": instants.write(row.last_used_at),
        "revoked_at": instants.write(row.revoked_at),
    }
