"""Users of an app: keep what the sender knows of them, and forget it again.

Rule U.
"""

from typing import Any

import orjson
from sqlalchemy.orm import Session

from shared.errors import NotFound
from shared.store import accounts, apps, sessions, users
from shared.store.apps import AppRow
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


def disable(session: Session, app: str, name: str, now_ms: int) -> UserRow:
    """Let the user of that name, known or not, in no more, and end all sessions. Raises NotFound for an unknown app."""
    app_id = _app(session, app).id
    user_id = accounts.disable(session, app_id, name, now_ms=now_ms)
    sessions.end_all(session, user_id, now_ms=now_ms)
    return get(session, app, name)


def enable(session: Session, app: str, name: str) -> UserRow:
    """Let the user in again. Raises NotFound."""
    if not accounts.enable(session, _app(session, app).id, name):
        raise NotFound
    return get(session, app, name)


def erase(session: Session, app: str, name: str, now_ms: int) -> None:
    """Erase the person and keep the numbers of the stream. Raises NotFound, RunAgain."""
    if not users.erase(session, _app(session, app).id, name, now_ms=now_ms):
        raise NotFound


def _app(session: Session, name: str) -> AppRow:
    found = apps.get(session, name)
    if found is None:
        raise NotFound
    return found
