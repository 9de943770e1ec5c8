"""Users of an app: keep what the sender knows of them, and forget it again.

Rule U.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy.orm import Session

from shared.errors import NotFound
from shared.store import accounts, apps, revocations, sessions, users
from shared.store.apps import AppRow
from shared.store.revocations import Revocation
from shared.store.users import UserRow

__all__ = ["UserRow", "disable", "enable", "erase", "get", "put"]


def put(session: Session, app: str, name: str, values: dict[str, Any], now_ms: int) -> tuple[UserRow, bool]:
    """Create the user or replace what is known: `attributes`, `locale`, `timezone`; absent ones are cleared.

    Also whether the user is new. Raises NotFound for an unknown app, RunAgain.
    """
    row = {
        "attributes": orjson.dumps(values.get("attributes") or {}).decode(),
        "locale": values.get("locale"),
        "timezone": values.get("timezone"),
    }
    return users.upsert(session, _app(session, app).id, name, row, now_ms=now_ms)


def get(session: Session, app: str, name: str) -> UserRow:
    """The user of that name. Raises NotFound."""
    found = users.get(session, _app(session, app).id, name)
    if found is None:
        raise NotFound
    return found


def disable(session: Session, app: str, name: str, now_ms: int) -> tuple[UserRow, list[Revocation]]:
    """Let the user of that name, known or not, in no more, and end all sessions; also what Redis is to be told.

    Raises NotFound for an unknown app, RunAgain.
    """
    app_id = _app(session, app).id
    user_id, decided = accounts.disable(session, app_id, name, now_ms=now_ms)
    ended = sessions.end_all(session, user_id, now_ms=now_ms)
    whole = Revocation(app, name, None, decided, decided, disabled=True)
    return get(session, app, name), _kept(session, app_id, whole, ended, now_ms)


def enable(session: Session, app: str, name: str, now_ms: int) -> tuple[UserRow, list[Revocation]]:
    """Let the user in again; also what Redis is to be told. Raises NotFound, RunAgain."""
    app_id = _app(session, app).id
    decided = accounts.enable(session, app_id, name, now_ms=now_ms)
    if decided is None:
        raise NotFound
    return get(session, app, name), _kept(session, app_id, Revocation(app, name, None, decided), [], now_ms)


def erase(session: Session, app: str, name: str, now_ms: int) -> list[Revocation]:
    """Erase the person and keep the numbers of the stream; what Redis is to be told. Raises NotFound, RunAgain."""
    app_id = _app(session, app).id
    erased = users.erase(session, app_id, name, now_ms=now_ms)
    if erased is None:
        raise NotFound
    # Whoever comes back under this name is another person: the tokens of this one are dead.
    whole = Revocation(app, name, None, erased.decided, erased.decided, erased=True)
    return _kept(session, app_id, whole, erased.sessions, now_ms)


def _kept(
    session: Session, app_id: int, whole: Revocation, ended: Sequence[str], now_ms: int
) -> list[Revocation]:
    # Sessions by name as well: the clock of who issued their tokens may be ahead of the one that decided.
    one_by_one = [Revocation(whole.app, whole.user, id) for id in ended]
    return revocations.add(session, app_id, [whole, *one_by_one], now_ms=now_ms)


def _app(session: Session, name: str) -> AppRow:
    found = apps.get(session, name)
    if found is None:
        raise NotFound
    return found
