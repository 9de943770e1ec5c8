"""The frequency caps of an app, over HTTP.

Rule U. They stand in the app's row and are changed under its lock. A worker reads them with the app, so a change counts
for what is stored from then on.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from shared.db import Database
from shared.domain import caps
from shared.domain.caps import Action, Cap
from shared.errors import Conflict, NotFound
from shared.store import apps
from shared.store.apps import AppRow

Document = dict[str, Any]
Change = Callable[[dict[str, Cap]], None]
"""Changes the caps by their ids; may raise an AppError, and then nothing is changed."""


class Caps:
    """The caps of the app of whoever asks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, app: str) -> Document:
        """Every cap, by its id. Raises NotFound for an unknown app."""
        with self._database.session() as session:
            return {"items": [_told(cap) for cap in _app(session, app).caps], "next": None}

    def put(self, app: str, id: str, asked: Document) -> tuple[Document, bool]:
        """Make or replace a cap; it, and whether it is new. Raises NotFound, and Conflict for one too many."""
        cap = caps.make(id, asked.get("event"), asked["limit"], asked["per"], Action(asked["action"]))

        def change(found: dict[str, Cap]) -> None:
            if id not in found and len(found) >= caps.CAPS:
                raise Conflict(f"An app has {caps.CAPS} caps at most.")
            found[id] = cap

        return _told(cap), id not in self._change(app, change)

    def delete(self, app: str, id: str) -> None:
        """Take a cap away. Raises NotFound if it is not there.

        What users have taken of it says nothing any more and is purged when it is past.
        """

        def change(found: dict[str, Cap]) -> None:
            if found.pop(id, None) is None:
                raise NotFound

        self._change(app, change)

    def _change(self, app: str, change: Change) -> Sequence[str]:
        """Change the caps under the lock of the app; the ids that were there before."""

        def write(session: Session) -> list[str]:
            id = _app(session, app).id
            found = {cap.id: cap for cap in apps.lock(session, [id])[id].caps}
            before = list(found)
            change(found)
            apps.put_caps(session, id, list(found.values()))
            return before

        return self._database.run(write)


def _app(session: Session, name: str) -> AppRow:
    found = apps.get(session, name)
    if found is None:
        raise NotFound
    return found


def _told(cap: Cap) -> Document:
    return {
        "id": cap.id,
        "event": cap.event,
        "limit": cap.limit,
        "per": cap.per_s,
        "action": cap.action.value,
    }
